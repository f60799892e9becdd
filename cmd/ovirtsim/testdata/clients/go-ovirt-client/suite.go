//go:build tools

package clients

import _ "github.com/ovirt/go-ovirt-client/v3"
