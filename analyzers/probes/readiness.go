package probes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ReadinessFailing reports containers that run and get no traffic, because their
// readiness probe fails for longer than a start takes. A new revision that takes its time
// while the old one serves, and a probe that is already changed, are left alone.
var ReadinessFailing = &analyzers.Analyzer{
	Name:  "probes/readiness-failing",
	Doc:   "containers that run and do not become ready",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services, cluster.EndpointSlices},
	Emits: []analyzers.Code{readinessFailing},
	Run: func(p *analyzers.Pass) error {
		each(p, readinessFailing, func(t *trouble) {
			wrong, isWrong := t.right(p)
			text := fmt.Sprintf("Container %s is not ready: its readiness probe %s", t.container.Name, t.happens())
			if isWrong {
				text += ", but " + wrong.why
			}
			f := t.finding(readinessFailing, text)
			switch {
			case isWrong:
				f.Evidence = append(f.Evidence, wrong.proof)
				if fix, ok := t.toPort(p, wrong); ok {
					f.Fixes = append(f.Fixes, fix)
				}
			case t.blameNeighbour(p, &f):
			case t.blame(p, &f):
			default:
				f.Fixes = append(f.Fixes, t.livenessFixes(p)...)
			}
			if !isWrong {
				if line, ok := t.complaint(); ok {
					f.Evidence = append(f.Evidence, t.quote(line))
				}
			}
			if back, ok := t.back(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			f.Fixes = append(f.Fixes, t.readLog(p, "Show why the program does not call itself ready"))
			p.Report(f)
		})
		return nil
	},
}

// complaint is the last line of the log that tells of a failed connection, for the reader
// to judge.
func (t *trouble) complaint() (string, bool) {
	lines := t.lines[max(0, len(t.lines)-lastLines):]
	for i := len(lines) - 1; i >= 0; i-- {
		if _, ok := cluster.OutageIn(lines[i]); ok {
			return lines[i], true
		}
	}
	return "", false
}
