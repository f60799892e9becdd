package idle

// places says in which queue each cluster's idle jobs are, by the queue's number: 4
// bytes for a cluster, where a map would take forty. Ids of clusters are dense.
type places struct{ pages []*placePage }

type placePage struct {
	n  int // in use
	at [placeSpan]uint32
}

const placeSpan = 1024

func (p *places) get(cluster int32) uint32 {
	if page := int(cluster / placeSpan); page < len(p.pages) && p.pages[page] != nil {
		return p.pages[page].at[cluster%placeSpan]
	}
	return 0
}

// set notes a queue; 0 is none.
func (p *places) set(cluster int32, queue uint32) {
	number := int(cluster / placeSpan)
	for number >= len(p.pages) {
		if queue == 0 {
			return
		}
		p.pages = append(p.pages, nil)
	}
	page := p.pages[number]
	if page == nil {
		if queue == 0 {
			return
		}
		page = new(placePage)
		p.pages[number] = page
	}
	at := &page.at[cluster%placeSpan]
	switch {
	case *at == 0 && queue != 0:
		page.n++
	case *at != 0 && queue == 0:
		if page.n--; page.n == 0 {
			p.pages[number] = nil
		}
	}
	*at = queue
}
