package ledger

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A table is held against a plain map; snapshots taken on the way must not change.
func TestTableIsAMapWithSnapshots(t *testing.T) {
	type snapshot struct {
		table table[int64]
		want  map[uint32]int64
	}
	key := rapid.OneOf(rapid.Uint32Range(0, 100), rapid.Uint32Range(0, 5000), rapid.SampledFrom([]uint32{31, 32, 1023, 1024, 1 << 20, 1<<31 - 1}))
	rapid.Check(t, func(t *rapid.T) {
		var tab table[int64]
		want := map[uint32]int64{}
		ed := new(editor)
		var kept []snapshot
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			k := key.Draw(t, "key")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1, 2:
				v := rapid.Int64().Draw(t, "value")
				tab.set(ed, k, v)
				want[k] = v
			case 3:
				tab.del(ed, k)
				delete(want, k)
			case 4:
				kept = append(kept, snapshot{tab, maps.Clone(want)})
				ed = new(editor)
			}
		}
		for _, s := range append(kept, snapshot{tab, want}) {
			if s.table.len() != len(s.want) {
				t.Fatalf("len %d, want %d", s.table.len(), len(s.want))
			}
			first := key.Draw(t, "first")
			var keys []uint32
			for k, v := range s.table.from(first) {
				if s.want[k] != *v {
					t.Fatalf("[%d] = %d, want %d", k, *v, s.want[k])
				}
				keys = append(keys, k)
			}
			var wantKeys []uint32
			for k := range s.want {
				if k >= first {
					wantKeys = append(wantKeys, k)
				}
				if v, ok := s.table.get(k); !ok || v != s.want[k] {
					t.Fatalf("get(%d) = %d, %v", k, v, ok)
				}
			}
			slices.Sort(wantKeys)
			if !slices.Equal(keys, wantKeys) {
				t.Fatalf("keys from %d: %v, want %v", first, keys, wantKeys)
			}
		}
	})
}
