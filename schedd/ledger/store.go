package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"gridburst/internal/grid"
)

// Format is the version of the file's layout. A file of a newer one is refused; a
// file of an older one is migrated, with a copy kept beside it.
const Format = 1

// Two buckets are not the fold of the log: meta, with the keys "format" and
// "state", and log, index(8) -> entry.
var (
	bMeta = []byte("meta")
	bLog  = []byte("log")
)

// bucket is one that holds the fold of the log, and so what a digest covers.
type bucket int

// The state's buckets, and what their keys are. Numbers are big-endian, so that
// cursors run in order.
const (
	bOwner         bucket = iota // owner(4)
	bWorker                      // worker(4)
	bTemplate                    // template(4) -> bytes
	bTemplateHash                // hash(16) -> template(4)
	bTemplateUsers               // template(4) -> clusters that have it(4)
	bCluster                     // cluster(4), with a live proc
	bOwn                         // cluster(4) -> bytes
	bItems                       // cluster(4) chunk(4) -> bytes
	bJob                         // cluster(4) proc(4), live and touched
	bAttrs                       // cluster(4) proc(4) or baseProc
	bLeft                        // cluster(4) page(4), of clusters with a live proc
	bPast                        // cluster(4) proc(4), out of the queue
	bPastCluster                 // cluster(4), without a live proc
	bKey                         // by, 0, idempotency key -> first result
	bKeyAge                      // ms(8) index(8) -> key of bKey
	bStage                       // stage(4) -> ms(8); stage(4) chunk(4) -> bytes
	bLogPosition                 // uid(4) path -> position
	bClaim                       // claim(4), open
	bPastClaim                   // claim(4), closed
	bToken                       // worker's name -> token
	bDag                         // dag(4), not ended
	bPastDag                     // dag(4), ended
	bGraph                       // dag(4) chunk(4) -> bytes
	bNode                        // dag(4) node(4), of those that something has happened to
	bCron                        // trigger's name -> watermark
	bRemoval                     // index(8) -> removal, not carried out whole
	bFactory                     // cluster(4), of those in the queue whose jobs are made little by little
	bInstance                    // cluster(4) proc(4) epoch(4), executions that have ended
	bReceipt                     // claim(4) -> receipt, of claims open and closed
	bBilled                      // ms of the end(8) claim(4) -> stay, of closed claims that cost something
	bJournal                     // seq(8) -> note
	bSteer                       // pool's name -> steering, of those that somebody steers
	bTimetable                   // name; name, 0, slot(4) -> occurrence
	bRouting                     // cluster(4) proc(4) -> routing, of jobs that a target has, or had and is to forget
	bThrottle                    // route's name -> throttle, of those that tell something
	bGang                        // cluster(4) proc(4) -> gang; cluster(4) proc(4) node(4) -> node of it
)

// Buckets from firstLater on came after files had been written without them: one that
// has no records leaves the digest and the state record as they were then.
const firstLater = bRemoval

// One bucket is made from others, and made anew where it is missing:
// owner(4) left-at(8) cluster(4) proc(4) -> nothing, of each record of bPast.
var bPastOwner = []byte("past_owner")

var stateBuckets = [...][]byte{
	bOwner: []byte("owner"), bWorker: []byte("worker"),
	bTemplate: []byte("template"), bTemplateHash: []byte("template_hash"), bTemplateUsers: []byte("template_users"),
	bCluster: []byte("cluster"), bOwn: []byte("own"), bItems: []byte("items"),
	bJob: []byte("job"), bAttrs: []byte("attrs"), bLeft: []byte("left"),
	bPast: []byte("past"), bPastCluster: []byte("past_cluster"),
	bKey: []byte("key"), bKeyAge: []byte("key_age"), bStage: []byte("stage"), bLogPosition: []byte("log_position"),
	bClaim: []byte("claim"), bPastClaim: []byte("past_claim"), bToken: []byte("token"),
	bDag: []byte("dag"), bPastDag: []byte("past_dag"), bGraph: []byte("graph"), bNode: []byte("node"), bCron: []byte("cron"),
	bRemoval: []byte("removal"), bFactory: []byte("factory"), bInstance: []byte("instance"), bReceipt: []byte("receipt"),
	bBilled: []byte("billed"), bJournal: []byte("journal"), bSteer: []byte("steer"),
	bTimetable: []byte("timetable"),
	bRouting:   []byte("routing"),
	bThrottle:  []byte("throttle"),
	bGang:      []byte("gang"),
}

// growsAtEnd are buckets whose new keys are mostly beyond all others: their pages are
// left full.
var growsAtEnd = [len(stateBuckets)]bool{
	bTemplate: true, bCluster: true, bOwn: true, bItems: true, bPast: true, bPastCluster: true, bKeyAge: true, bPastClaim: true, bGraph: true, bBilled: true, bJournal: true,
}

func (b bucket) String() string { return string(stateBuckets[b]) }

var (
	kFormat = []byte("format")
	kState  = []byte("state")
)

// migrations[n] takes a file from format n to n+1.
type migrations map[uint64]func(*bolt.Tx) error

// Options say how a ledger's file is opened. The zero value is right for a daemon.
type Options struct {
	NoSync   bool // for throw-away copies: nothing survives a power cut
	ReadOnly bool
	Reserve  int64 // bytes of the disk that submits leave free; 0: [DefaultReserve]

	// Committed is told of each batch that became durable, from the ledger's own
	// goroutine; nil: nobody is.
	Committed func(commands int, took time.Duration)

	migrations migrations
	format     uint64 // this program's; 0: Format
}

// openFile opens or creates the bbolt file at path.
func openFile(path string, o Options) (*bolt.DB, error) {
	if o.format == 0 {
		o.format = Format
	}
	if err := checkSize(path); err != nil {
		return nil, err
	}
	if err := checkTree(path); err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        time.Second,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true,
		// Addresses, not memory: a file that never outgrows its mapping never
		// has to wait for its readers, such as a backup, to be mapped anew.
		InitialMmapSize: mapSize,
		NoSync:          o.NoSync,
		ReadOnly:        o.ReadOnly,
	})
	if err != nil {
		return nil, openError(path, err)
	}
	if err := ready(db, path, o); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

const mapSize = 16 << 30

func openError(path string, err error) error {
	if errors.Is(err, berrors.ErrTimeout) {
		return grid.Errorf(grid.Refused, "%s is in use by another process; stop that one first", path)
	}
	if os.IsPermission(err) {
		return grid.Errorf(grid.Forbidden, "open %s: %w", path, err)
	}
	return grid.Errorf(grid.Invalid, "open %s: %w; restore it from a backup with gadm restore", path, err)
}

// ready makes the file one of this program's format.
func ready(db *bolt.DB, path string, o Options) error {
	var format uint64
	missing := false
	err := db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bMeta); b != nil {
			format = be64(b.Get(kFormat))
		}
		for _, name := range stateBuckets {
			missing = missing || tx.Bucket(name) == nil
		}
		missing = missing || tx.Bucket(bPastOwner) == nil
		return nil
	})
	switch {
	case err != nil:
		return err
	case format > o.format:
		return grid.Errorf(grid.Refused, "%s has format %d, and this program knows formats up to %d: use the newer program, or restore a backup that this one made", path, format, o.format)
	case format == o.format && (!missing || o.ReadOnly):
		return nil
	case o.ReadOnly:
		return grid.Errorf(grid.Refused, "%s has the older format %d: let gschedd open it once, which migrates it", path, format)
	case format != 0 && format != o.format:
		if err := keepCopy(db, fmt.Sprintf("%s.format%d", path, format)); err != nil {
			return err
		}
	}
	return db.Update(func(tx *bolt.Tx) error {
		for ; format != 0 && format < o.format; format++ {
			step := o.migrations[format]
			if step == nil {
				return grid.Errorf(grid.Refused, "%s has format %d, which this program cannot migrate", path, format)
			}
			if err := step(tx); err != nil {
				return fmt.Errorf("migrate %s from format %d: %w", path, format, err)
			}
		}
		for _, name := range append([][]byte{bMeta, bLog}, stateBuckets[:]...) {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if err := indexPast(tx); err != nil {
			return fmt.Errorf("index the history in %s: %w", path, err)
		}
		return tx.Bucket(bMeta).Put(kFormat, key8(o.format))
	})
}

// keepCopy writes the file as it is to path, durably, before it is changed.
func keepCopy(db *bolt.DB, path string) error {
	return writeWhole(path, func(f *os.File) error {
		return db.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(f)
			return err
		})
	})
}

// checkSize refuses a file that is shorter than its own pages say, because to map
// it and read past its end would kill the process. The numbers are those of bbolt's
// meta pages: two pages at the start, each with a header of 16 bytes, then magic,
// version, page size and flags (4 bytes each), the root bucket (16), the free list's
// page, the first unused page, the transaction, a checksum (8 each), native order.
func checkSize(path string) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return grid.Errorf(grid.Forbidden, "open %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	const header, magic = 16, 0xED0CDAED
	short := grid.Errorf(grid.Invalid, "%s was cut short: it has %d bytes, fewer than its pages need; restore it from a backup with gadm restore", path, info.Size())
	pageSize := int64(os.Getpagesize())
	newest, unused := uint64(0), uint64(0)
	for page := range int64(2) {
		var b [header + 64]byte
		if _, err := f.ReadAt(b[:], page*pageSize); err != nil {
			if page == 1 && newest > 0 {
				return short
			}
			continue
		}
		m := b[header:]
		if binary.NativeEndian.Uint32(m) != magic {
			continue
		}
		pageSize = int64(binary.NativeEndian.Uint32(m[8:]))
		if tx := binary.NativeEndian.Uint64(m[48:]); tx >= newest {
			newest, unused = tx, binary.NativeEndian.Uint64(m[40:])
		}
	}
	if unused == 0 {
		return grid.Errorf(grid.Invalid, "%s is not a queue file, or its first pages are damaged; restore it from a backup with gadm restore", path)
	}
	if info.Size() < int64(unused)*pageSize {
		return short
	}
	return nil
}

func errorAt(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }
