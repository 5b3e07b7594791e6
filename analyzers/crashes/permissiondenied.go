package crashes

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PermissionDenied reports programs that the operating system keeps from a file or a port.
// What a database or an API refuses is not meant: that is the program's error. Which
// setting is behind it follows from the security context and from what is mounted there.
var PermissionDenied = &analyzers.Analyzer{
	Name:  "crashes/permission-denied",
	Doc:   "programs that may not read or write a file, or listen on a low port",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events}, rbac...),
	Emits: []analyzers.Code{permissionDenied},
	Run: func(p *analyzers.Pass) error {
		each(p, permissionDenied, failed, func(c crash, r reason) {
			d := denialOf(c, r)
			f := c.finding(permissionDenied, c.name()+" "+d.summary, r.evidence(c)...)
			if d.field != "" {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: d.field, Quote: d.field[strings.LastIndexByte(d.field, '.')+1:] + ": " + d.value})
			}
			back, hasBack := c.rollback(p)
			if cluster.RollsOut(c.subject) && d.patch != nil {
				f.Fixes = append(f.Fixes, analyzers.Fix{Why: d.why, Argv: p.Kubectl(c.subject.Namespace, "patch", c.subject.Short(), "--type", "strategic", "-p", mustJSON(d.patch))})
			} else if d.why != "" {
				f.Fixes = append(f.Fixes, analyzers.Fix{Why: d.why, Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())})
			}
			if hasBack {
				f.Fixes = append(f.Fixes, back)
			}
			f.Fixes = append(f.Fixes, c.readLog(p, "Show what the program did before it was denied"))
			p.Report(f)
		})
		return nil
	},
}
