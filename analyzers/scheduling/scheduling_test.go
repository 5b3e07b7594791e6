package scheduling_test

import (
	"context"
	"testing"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/scheduling"
)

func TestUnschedulable(t *testing.T) { analysistest.Run(t, scheduling.Unschedulable, "unschedulable") }
func TestGated(t *testing.T)         { analysistest.Run(t, scheduling.Gated, "gated") }
func TestPreempted(t *testing.T)     { analysistest.Run(t, scheduling.Preempted, "preempted") }
func TestRejected(t *testing.T)      { analysistest.Run(t, scheduling.Rejected, "rejected") }
func TestNoScheduler(t *testing.T)   { analysistest.Run(t, scheduling.NoScheduler, "no-scheduler") }
func TestDaemonSet(t *testing.T)     { analysistest.Run(t, scheduling.DaemonNotScheduled, "daemonset") }

// TestSeverities: what only the scheduler's words tell, what may be meant, and what is
// about to change by itself is no error.
func TestSeverities(t *testing.T) {
	for _, c := range []struct {
		a    *analyzers.Analyzer
		file string
		want map[string]analyzers.Severity
	}{
		{scheduling.Unschedulable, "unschedulable/one-namespace", map[string]analyzers.Severity{"web": analyzers.Warning, "big": analyzers.Error}},
		{scheduling.Unschedulable, "unschedulable/no-nodes-visible", map[string]analyzers.Severity{"web": analyzers.Warning, "search": analyzers.Error}},
		{scheduling.Unschedulable, "unschedulable/passing", map[string]analyzers.Severity{"scaling": analyzers.Warning}},
		{scheduling.Gated, "gated/gates", map[string]analyzers.Severity{"report": analyzers.Warning, "young": analyzers.Info, "train": analyzers.Info}},
		{scheduling.DaemonNotScheduled, "daemonset/nowhere", map[string]analyzers.Severity{"agent": analyzers.Warning, "gpu": analyzers.Info, "proxy": analyzers.Info}},
		{scheduling.DaemonNotScheduled, "daemonset/nodes", map[string]analyzers.Severity{"agent": analyzers.Error, "logs": analyzers.Info, "lost": analyzers.Warning}},
	} {
		s, err := analysistest.Load("testdata/" + c.file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]analyzers.Severity{}
		for _, f := range analyzers.Run(context.Background(), s, []*analyzers.Analyzer{c.a}).Findings {
			got[f.Subject.Name] = f.Severity
		}
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%s: %s is %q, want %q", c.file, name, got[name], want)
			}
		}
	}
}
