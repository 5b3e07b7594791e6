package analyzers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

var testCode = Code{ID: "test", Severity: Error, Role: Cause, Title: "test"}

func run(t *testing.T, runs ...func(*Pass) error) Result {
	t.Helper()
	var list []*Analyzer
	for i, r := range runs {
		list = append(list, &Analyzer{Name: fmt.Sprintf("test/%c", 'a'+i), Run: r})
	}
	return Run(context.Background(), cluster.NewBuilder(cluster.Info{CapturedAt: time.Unix(0, 0)}).Build(), list)
}

func podRef(i int) Ref { return Ref{APIVersion: "v1", Kind: "Pod", Name: fmt.Sprint("p", i)} }

func TestRunMergesWhatSuffersAlike(t *testing.T) {
	web := Ref{Kind: "Deployment", Name: "web"}
	pods := func(from, to int) func(*Pass) error {
		return func(p *Pass) error {
			for i := from; i < to; i++ {
				p.Report(Finding{Code: testCode, Subject: web, Summary: "x", Affected: []Ref{podRef(i)}, Evidence: []Evidence{{Source: "s", Path: "same"}}})
			}
			return nil
		}
	}
	r := run(t, pods(0, 300), pods(290, 310)) // a second check says the same of ten of them
	if len(r.Findings) != 1 {
		t.Fatalf("%d findings", len(r.Findings))
	}
	f := r.Findings[0]
	if f.Count != 310 || len(f.Affected) != maxAffected || len(f.Evidence) != 1 || f.Severity != Error {
		t.Errorf("count %d, %d affected, %d evidence, %s", f.Count, len(f.Affected), len(f.Evidence), f.Severity)
	}
}

func TestRunKeepsPartsApart(t *testing.T) {
	r := run(t, func(p *Pass) error {
		for _, part := range []string{"a", "b", "a"} {
			p.Report(Finding{Code: testCode, Subject: podRef(1), Part: part, Summary: "x"})
		}
		p.Report(Finding{Code: testCode, Severity: Critical, Subject: podRef(2), Summary: "x", Count: 7})
		return nil
	})
	if len(r.Findings) != 3 || r.Findings[0].Severity != Critical || r.Findings[0].Count != 7 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestRunSurvivesABrokenAnalyzer(t *testing.T) {
	r := run(t,
		func(*Pass) error { panic("oops") },
		func(*Pass) error { return errors.New("no") },
		func(p *Pass) error { p.Report(Finding{Code: testCode, Subject: podRef(1)}); return nil },
	)
	if len(r.Failed) != 2 || len(r.Findings) != 1 || r.Failed[0].Analyzer != "test/a" {
		t.Errorf("failed %v, findings %v", r.Failed, r.Findings)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := Run(ctx, cluster.NewBuilder(cluster.Info{}).Build(), []*Analyzer{{Name: "test/a", Run: func(*Pass) error { return nil }}})
	if len(r.Failed) != 1 {
		t.Error("what did not run must be named")
	}
}

func TestCommandIsSafeInAShell(t *testing.T) {
	for want, argv := range map[string][]string{
		`kubectl get pods`:             {"kubectl", "get", "pods"},
		`echo 'a b' '$(rm)' 'it'\''s'`: {"echo", "a b", "$(rm)", "it's"},
		`x '' '#y'`:                    {"x", "", "#y"},
		`x '~' 'a;b' 'a&b'`:            {"x", "~", "a;b", "a&b"},
	} {
		if got := (Fix{Argv: argv}).Command(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
