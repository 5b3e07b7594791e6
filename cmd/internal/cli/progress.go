package cli

import (
	"fmt"

	"github.com/kubefathom/fathom/integrations/kube"
)

// progress shows on a terminal's standard error how far the reading is.
type progress struct {
	s       *Streams
	objects map[string]int // by resource
	done    int
}

func newProgress(s *Streams) *progress { return &progress{s: s, objects: map[string]int{}} }

func (p *progress) update(u kube.Progress) {
	if !p.s.ErrTTY {
		return
	}
	p.objects[u.Resource] = u.Objects
	if u.Done {
		p.done++
	}
	total := 0
	for _, n := range p.objects {
		total += n
	}
	fmt.Fprintf(p.s.Err, "\r\x1b[Kreading the cluster: %d of %d kinds, %d objects", p.done, len(p.objects), total)
}

func (p *progress) clear() {
	if len(p.objects) > 0 {
		fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
}
