package report

import (
	"context"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

// Scan runs the whole way from a Snapshot to its report: analyzers, diagnoses, proof of
// fixes. When ctx ends early, the report names the analyzers that did not run.
func Scan(ctx context.Context, s *cluster.Snapshot, list []*analyzers.Analyzer) *Report {
	result := analyzers.Run(ctx, s, list)
	diagnoses := diagnose.Diagnose(s, result.Findings)
	diagnose.Prove(ctx, s, list, diagnoses, result.Findings)
	return New(s, list, diagnoses, result.Failed)
}
