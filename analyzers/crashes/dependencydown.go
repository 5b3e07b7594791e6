package crashes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DependencyDown reports programs that end because they cannot connect to something. The
// address in the log is looked up as the pod's resolver would: to a Service that does not
// serve, to one that does not exist, to a host elsewhere. A Service that has been serving
// all along refuses nobody; then the line is the program's own error.
var DependencyDown = &analyzers.Analyzer{
	Name:  "crashes/dependency-down",
	Doc:   "programs that end because they cannot reach a Service or host",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services, cluster.EndpointSlices}, rbac...),
	Emits: []analyzers.Code{dependencyDown},
	Run: func(p *analyzers.Pass) error {
		each(p, dependencyDown, failed, func(c crash, r reason) {
			l, ok := linkOf(p, c, r)
			if !ok {
				return
			}
			f := c.finding(dependencyDown, fmt.Sprintf("%s %s because %s", c.name(), c.ends(), l.text(p)), append(r.evidence(c), l.evidence()...)...)
			f.CausedBy, f.Shared = l.behind(p)
			f.Fixes = append(l.fixes(p, c), c.readLog(p, "Show what the program wrote before it gave up"))
			if !l.since.IsZero() {
				f.Severity = analyzers.Warning // the next start will do
			}
			p.Report(f)
		})
		return nil
	},
}
