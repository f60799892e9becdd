"""admin.py SOCKET METHOD PATH: a call of the simulator's admin socket."""

import http.client
import socket
import sys

path, method, what = sys.argv[1:]
connection = http.client.HTTPConnection("sim")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(path)
connection.request(method, what)
sys.exit(0 if connection.getresponse().status < 300 else 1)
