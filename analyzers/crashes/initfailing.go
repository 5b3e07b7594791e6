package crashes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// InitFailing reports init containers that end with an error, whatever the error: the pod
// does not start for it. A native sidecar is judged like any other container.
var InitFailing = &analyzers.Analyzer{
	Name:  "crashes/init-failing",
	Doc:   "init containers that end with an error",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services, cluster.EndpointSlices}, rbac...),
	Emits: []analyzers.Code{initFailing},
	Run: func(p *analyzers.Pass) error {
		each(p, initFailing, func(c crash) bool { return c.init && c.end.Reason != "OOMKilled" }, func(c crash, r reason) {
			f := c.finding(initFailing, appErrorSummary(c, r), r.evidence(c)...)
			f.Fixes = appErrorFixes(p, c, r)
			if l, ok := linkOf(p, c, r); ok && r.Kind == KindDependency && l.down() {
				f.Summary = analyzers.Line(fmt.Sprintf("%s %s because %s", c.name(), c.ends(), l.text(p)), analyzers.MaxSummary)
				f.Evidence = append(f.Evidence, l.evidence()...)
				f.CausedBy, f.Shared = l.behind(p)
				f.Fixes = append(l.fixes(p, c), c.readLog(p, "Show what the init container wrote"))
			}
			if r.Line == "" {
				f.Evidence = append(f.Evidence, noLog(c, r)...)
			}
			p.Report(f)
		})
		return nil
	},
}
