package diagnose

import (
	"context"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// maxProofs bounds how many fixes are tried on a copy of the snapshot: each one is an
// analysis of its own. The worst diagnoses come first.
const maxProofs = 10

// Prove tries the fixes that are patches: each is applied to a copy of the snapshot,
// the analyzers run again, and the fix is marked proven when its finding is gone and no
// new one stands. The other fixes are marked suggested. It changes diagnoses in place.
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
	if err != nil {
		return false
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
