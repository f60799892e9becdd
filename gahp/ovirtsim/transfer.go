package ovirtsim

import (
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// transfer is an image on its way to or from a disk. Its URL is on the engine's own port,
// where a real one would have a host's daemon. Transfers live in memory: a restart ends
// them, and what had come of an upload is gone.
type transfer struct {
	id, disk, ticket string
	upload           bool
	format           string
	phase            string
	content          string // the file that an upload is written to
}

// Phases.
const (
	transferring = "transferring"
	finished     = "finished_success"
	cancelled    = "finished_failure"
)

const imagesDir = "images"

// imagesPath is where images are served.
const imagesPath = "/images/"

// transferring: a disk is busy with a transfer. s.mu is held.
func (s *Sim) transferring(d *disk) bool {
	for _, t := range s.transfers {
		if t.disk == d.ID && t.phase == transferring {
			return true
		}
	}
	return false
}

// contentFile is where contents are, by their names. s.mu is held, or was for the name.
func (s *Sim) contentFile(name string) string { return filepath.Join(s.imagesIn, name) }

// openImages makes room for contents.
func (s *Sim) openImages() error {
	if s.o.State != "" {
		s.imagesIn = filepath.Join(s.o.State, imagesDir)
		return os.MkdirAll(s.imagesIn, 0o755)
	}
	return nil // in scratch, when there is one
}

// roomForImages is openImages where there is no state, when a content comes. s.mu is held.
func (s *Sim) roomForImages() (err error) {
	if s.imagesIn == "" {
		s.imagesIn, err = os.MkdirTemp("", "ovirtsim-images")
	}
	return err
}

// contentOf is the content of a disk, which may be the one of a disk below. s.mu is held.
func (s *Sim) contentOf(d *disk) string {
	for d != nil && d.Content == "" {
		d = s.disks.all[d.Base]
	}
	if d == nil {
		return ""
	}
	return d.Content
}

// dropContent forgets a content that no disk has. s.mu is held.
func (s *Sim) dropContent(name string) {
	if name == "" {
		return
	}
	for _, d := range s.disks.all {
		if d.Content == name {
			return
		}
	}
	if err := os.Remove(s.contentFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.WithError(err).Warn("an image stays")
	}
}

// sweepImages removes what no disk has. s.mu is held.
func (s *Sim) sweepImages() error {
	if s.imagesIn == "" {
		return nil
	}
	has := map[string]bool{}
	for _, d := range s.disks.all {
		has[d.Content] = true
	}
	entries, err := os.ReadDir(s.imagesIn)
	errs := []error{err}
	for _, e := range entries {
		if !has[e.Name()] {
			errs = append(errs, os.Remove(s.contentFile(e.Name())))
		}
	}
	return errors.Join(errs...)
}

type transferIn struct {
	XMLName   xml.Name `xml:"image_transfer"`
	Disk      *refIn   `xml:"disk"`
	Image     *refIn   `xml:"image"`
	Direction string   `xml:"direction"`
	Format    string   `xml:"format"`
}

func (c *call) addTransfer() *reply {
	c.doing = "transfer image"
	var in transferIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r := in.Disk
	if r == nil {
		r = in.Image
	}
	if r == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "ImageTransfer [disk.id|image.id|snapshot.id] required for add")
	}
	d := s.disks.all[strings.ToLower(r.ID)]
	t := &transfer{id: newID(), ticket: newID(), phase: transferring, upload: in.Direction != "download"}
	switch {
	case d == nil:
		return c.fault("DISK_NOT_EXIST", "")
	case in.Direction != "" && in.Direction != "upload" && in.Direction != "download":
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+in.Direction+"' for 'direction' isn't valid, it should be one of: download, upload")
	case t.upload && d.Template != "":
		return c.fault("DISK_OF_TEMPLATE", "")
	}
	if v := s.vms[d.Machine]; v != nil && v.Status.running() {
		return c.fault("VM_IS_RUNNING", "")
	}
	if out := c.lockedDisk(d); out != nil {
		return out
	}
	t.disk, t.format = d.ID, in.Format
	if err := s.roomForImages(); err != nil {
		return c.faultReply(http.StatusInternalServerError, failed, err.Error())
	}
	if t.upload {
		t.content = newID()
	}
	s.transfers[t.id] = t
	c.job("Transferring image of disk "+d.Alias, nil)
	return c.made(at("imagetransfers", t.id), c.transferNode(t), false)
}

func (c *call) transferNode(t *transfer) *node {
	direction := "download"
	if t.upload {
		direction = "upload"
	}
	url := "https://" + c.r.Host + imagesPath + t.ticket
	d := c.s.disks.all[t.disk]
	n := object("image_transfer", at("imagetransfers", t.id), t.id, []string{"cancel", "extend", "finalize", "pause", "resume"}, nil, nil,
		yes("active", t.phase == transferring), tx("direction", direction))
	n.addIf(t.format != "", tx("format", t.format))
	n.add(num("inactivity_timeout", 60), tx("phase", t.phase), tx("proxy_url", url), yes("shallow", false), tx("timeout_policy", "legacy"))
	n.addIf(t.phase == transferring, tx("transfer_url", url), num("transferred", 0))
	if d != nil {
		n.add(ref("disk", "disks", d.ID), el("image").with("id", d.Image))
	}
	return n
}

func (c *call) listTransfers() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.id != "" {
		t := s.transfers[c.id]
		if t == nil {
			return &reply{status: http.StatusNotFound}
		}
		return xmlReply(http.StatusOK, c.transferNode(t))
	}
	n := el("image_transfers")
	for _, t := range s.transfers {
		n.add(c.transferNode(t))
	}
	return xmlReply(http.StatusOK, n)
}

func (c *call) finalizeTransfer() *reply { return c.endTransfer(finished) }
func (c *call) cancelTransfer() *reply   { return c.endTransfer(cancelled) }

func (c *call) endTransfer(phase string) *reply {
	c.doing = "transfer image"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.transfers[c.id]
	switch {
	case t == nil:
		return &reply{status: http.StatusNotFound}
	case t.phase != transferring:
		return c.fault("TRANSFER_OVER", t.phase)
	}
	t.phase = phase
	d := s.disks.all[t.disk]
	if t.upload && (phase == cancelled || d == nil) {
		s.dropContent(t.content)
	} else if info, err := os.Stat(s.contentFile(t.content)); t.upload && err == nil {
		old := d.Content
		d.Content, d.Actual, d.Base = t.content, max(info.Size(), thin), ""
		d.Until = s.clock.Now().Add(s.model.Times.Lock)
		s.disks.put(s, d)
		s.dropContent(old)
	}
	c.job("Finalizing image transfer", func() bool { return d != nil && s.clock.Now().Before(d.Until) })
	return c.complete()
}

// image is the daemon that images come from and go to. Who knows a ticket may.
func (s *Sim) image(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var t *transfer
	for _, o := range s.transfers {
		if o.ticket == r.PathValue("ticket") && o.phase == transferring {
			t = o
		}
	}
	var d disk
	var name string
	if t != nil {
		d, name = *s.disks.all[t.disk], t.content
		if !t.upload {
			name = s.contentOf(&d)
		}
	}
	s.mu.Unlock()
	switch {
	case t == nil:
		http.Error(w, "no such ticket", http.StatusForbidden)
	case r.Method == http.MethodOptions:
		methods, features := "GET,OPTIONS", []string{"extents"}
		if t.upload {
			methods, features = "OPTIONS,PATCH,PUT", []string{"checksum", "flush", "zero"}
		}
		w.Header().Set("Allow", methods)
		tell(w, map[string]any{"features": features, "max_readers": 8, "max_writers": 1})
	case t.upload && (r.Method == http.MethodPut || r.Method == http.MethodPatch):
		if err := write(s.contentFile(name), d.Size, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	case !t.upload && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		if strings.HasSuffix(r.URL.Path, "/extents") {
			tell(w, []map[string]any{{"start": 0, "length": s.length(name, d), "zero": name == ""}})
			return
		}
		s.readImage(w, r, name, d)
	default:
		http.Error(w, "not this way", http.StatusMethodNotAllowed)
	}
}

// write has a file get what a request brings.
func write(path string, size int64, r *http.Request) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.Method == http.MethodPatch {
		var op struct {
			Op           string
			Offset, Size int64
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&op); err != nil {
			return err
		}
		switch {
		case op.Op == "flush":
			return nil
		case op.Op != "zero" || op.Offset < 0 || op.Size < 0 || op.Offset+op.Size > 2*size+chunk:
			return fmt.Errorf("cannot %q", op.Op)
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if end := op.Offset + op.Size; end > info.Size() {
			if err := f.Truncate(end); err != nil {
				return err
			}
		}
		zeros := make([]byte, chunk)
		for at := op.Offset; at < min(op.Offset+op.Size, info.Size()); at += chunk {
			if _, err := f.WriteAt(zeros[:min(chunk, op.Offset+op.Size-at)], at); err != nil {
				return err
			}
		}
		return nil
	}
	offset := int64(0)
	if text := r.Header.Get("Content-Range"); text != "" {
		if _, err := fmt.Sscanf(text, "bytes %d-", &offset); err != nil || offset < 0 {
			return fmt.Errorf("the content range %q is none", text)
		}
	}
	// A format that counts what it holds takes more than the disk's size.
	room := 2*size + chunk - offset
	n, err := io.Copy(io.NewOffsetWriter(f, offset), io.LimitReader(r.Body, room+1))
	if err == nil && n > room {
		err = fmt.Errorf("the image is longer than the disk")
	}
	return err
}

func (s *Sim) length(content string, d disk) int64 {
	if info, err := os.Stat(s.contentFile(content)); content != "" && err == nil {
		return info.Size()
	}
	if d.Format == "raw" {
		return d.Size
	}
	return int64(len(emptyCow(d.Size)))
}

// readImage answers with a disk's content; with an empty one if none was uploaded.
func (s *Sim) readImage(w http.ResponseWriter, r *http.Request, content string, d disk) {
	w.Header().Set("Content-Type", "application/octet-stream")
	if content == "" {
		var from io.ReadSeeker = strings.NewReader(string(emptyCow(d.Size)))
		if d.Format == "raw" {
			from = io.NewSectionReader(zeros{}, 0, d.Size)
		}
		http.ServeContent(w, r, "", time.Time{}, from)
		return
	}
	f, err := os.Open(s.contentFile(content))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "", time.Time{}, f)
}

// zeros is as long as anybody reads.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// emptyCow is a qcow2 image of that size that nothing was written to: its header, the
// table of reference counts, a block of those, and the first table, each in clusters of
// 64 KiB.
func emptyCow(size int64) []byte {
	const cluster = 1 << 16
	entries := (size + 1<<29 - 1) >> 29 // of the first table: each leads to 512 MiB
	tables := (8*entries + cluster - 1) / cluster
	b := make([]byte, (3+tables)*cluster)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], uint64(size))
	be.PutUint32(b[36:], uint32(entries))
	be.PutUint64(b[40:], 3*cluster) // first table
	be.PutUint64(b[48:], cluster)   // reference counts
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4)    // a count has 16 bits
	be.PutUint32(b[100:], 104) // length of this header
	be.PutUint64(b[cluster:], 2*cluster)
	for i := range 3 + tables {
		be.PutUint16(b[2*cluster+2*i:], 1)
	}
	return b
}
