package diagnose

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// maxProofs bounds how many fixes are tried on a copy of the snapshot: each one is an
// analysis of its own. The worst diagnoses come first.
const maxProofs = 10

// Prove tries the fixes that are patches: each is applied to a copy of the snapshot,
// the analyzers run again over the patched object's namespace, and the fix is marked
// proven when its finding is gone and no new one stands. The other fixes are marked
// suggested. It changes diagnoses in place.
func Prove(ctx context.Context, s *cluster.Snapshot, list []*analyzers.Analyzer, diagnoses []Diagnosis, before []analyzers.Finding) {
	left := maxProofs
	known := map[string]bool{}
	for _, f := range before {
		known[id(f)] = true
	}
	for i := range diagnoses {
		d := &diagnoses[i]
		fixes := make([]analyzers.Fix, len(d.Fixes))
		for j, fix := range d.Fixes {
			fix.Proof = analyzers.Suggested
			// A root that stands for several findings is none of them: nothing to watch.
			if fix.Patch != nil && known[id(d.RootCause)] && left > 0 && ctx.Err() == nil {
				left--
				if mends(ctx, s, list, d.RootCause, fix, known) {
					fix.Proof = analyzers.Proven
				}
			}
			fixes[j] = fix
		}
		d.Fixes = fixes
	}
}

func mends(ctx context.Context, s *cluster.Snapshot, list []*analyzers.Analyzer, root analyzers.Finding, fix analyzers.Fix, known map[string]bool) bool {
	after, err := s.With(fix.Patch.Target, fix.Patch.Data)
	if err != nil || !simulated(s, after, root, fix.Patch.Target) {
		return false
	}
	// What a patch in a namespace changes shows there; looking at all others again would
	// take as long as the scan itself, for each fix.
	if ns := fix.Patch.Target.Namespace; ns != "" {
		after = after.Narrow([]string{ns})
	}
	result := analyzers.Run(ctx, after, list)
	if len(result.Failed) > 0 {
		return false
	}
	for _, f := range result.Findings {
		if key := id(f); key == id(root) || !known[key] && f.Severity.AtLeast(analyzers.Warning) {
			return false
		}
	}
	return true
}

// simulated reports whether the copy shows what the patch does to the pods that suffer.
// A new pod template replaces pods; of one that has a node, and so a status that only a
// kubelet can write, the copy holds the old state. That its template is another one now
// proves nothing.
func simulated(before, after *cluster.Snapshot, root analyzers.Finding, target analyzers.Ref) bool {
	was, ok := before.Get(target)
	now, still := after.Get(target)
	if !ok || !still {
		return false
	}
	old, hasTemplate := cluster.Template(was)
	if !hasTemplate {
		return true
	}
	if changed, _ := cluster.Template(now); equality.Semantic.DeepEqual(old, changed) {
		return true
	}
	for _, ref := range append([]analyzers.Ref{root.Subject}, root.Affected...) {
		o, _ := before.Get(ref)
		if pod, isPod := o.(*corev1.Pod); isPod && pod.Spec.NodeName != "" {
			return false
		}
	}
	return true
}
