package crashes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ExitsZero reports programs that come to their end without an error and are started
// again, because a workload of this kind must not end. A stop by the kubelet also gives 0:
// where events were not read and a probe could be behind it, AppError says only what is
// known.
var ExitsZero = &analyzers.Analyzer{
	Name:  "crashes/exits-zero",
	Doc:   "programs that end with exit code 0 in a workload that must keep running",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events}, rbac...),
	Emits: []analyzers.Code{exitsZero},
	Run: func(p *analyzers.Pass) error {
		each(p, exitsZero, func(c crash) bool { return c.end.ExitCode == 0 && c.restarts() }, func(c crash, r reason) {
			f := c.finding(exitsZero, fmt.Sprintf("%s exits with code 0 and is restarted again and again, as a %s must keep running", c.name(), c.subject.Kind), r.evidence(c)...)
			f.Fixes = []analyzers.Fix{
				c.readLog(p, "Show what the program did last; work that comes to an end belongs in a Job"),
			}
			if cluster.RollsOut(c.subject) {
				f.Fixes = append(f.Fixes, analyzers.Fix{
					Why:  "Correct the command, which must run a program that stays in the foreground",
					Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short()),
				})
			}
			if back, ok := c.rollback(p); ok {
				f.Fixes = append([]analyzers.Fix{back}, f.Fixes...)
			}
			p.Report(f)
		})
		return nil
	},
}

// probeUnseen reports whether a probe may have ended the container without our seeing it.
func probeUnseen(p *analyzers.Pass, c crash) bool {
	return (c.container.LivenessProbe != nil || c.container.StartupProbe != nil) && !p.Sees(cluster.Events, c.pod.Namespace)
}
