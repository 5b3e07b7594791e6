package why_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/analyzers/why"
)

// ask explains an object of a recorded scenario.
func ask(t *testing.T, scenario, kind, name string) *why.Answer {
	t.Helper()
	f, err := os.Open("../../evals/scenarios/" + scenario + "/cluster.capture")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := cluster.ReadCapture(f)
	if err != nil {
		t.Fatal(err)
	}
	k, _ := cluster.KindNamed(kind)
	for _, o := range s.Objects(k.GroupKind()) {
		if o.GetName() == name {
			return why.Explain(s, o, report.Scan(context.Background(), s, all.Analyzers))
		}
	}
	t.Fatalf("no %s %s in %s", kind, name, scenario)
	return nil
}

func stopped(t *testing.T, a *why.Answer) string {
	t.Helper()
	if a.Journey == nil {
		t.Fatal("no journey")
	}
	stage, _ := a.Journey.Stopped()
	return stage.Name
}

func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		scenario, kind, object string
		stage                  string // where the journey stands; "" for at its end
		diagnoses              int
		changed, nodes         bool
	}{
		"no image":           {"image-tag-typo", "deployment", "web", pods.Images, 1, false, false},
		"no node":            {"node-affinity-zone", "deployment", "", pods.Scheduled, 1, false, true},
		"a bad revision":     {"rollout-bad-env", "deployment", "", pods.Started, 1, true, false},
		"refused by a quota": {"rollout-quota", "deployment", "", pods.Admitted, 1, false, false},
		"a healthy workload": {"healthy-shop", "deployment", "", "", 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			object := c.object
			if object == "" {
				object = broken(t, c.scenario, c.kind)
			}
			a := ask(t, c.scenario, c.kind, object)
			if got := stopped(t, a); got != c.stage {
				t.Errorf("%s: stopped at %q, want %q", object, got, c.stage)
			}
			if len(a.Diagnoses) != c.diagnoses || (a.Changed != nil) != c.changed && c.changed || (len(a.Nodes) > 0) != c.nodes {
				t.Errorf("%s: %d diagnoses, changed %v, %d nodes", object, len(a.Diagnoses), a.Changed != nil, len(a.Nodes))
			}
			render(t, a)
		})
	}
}

// broken is the subject of the scenario's first diagnosis, or its first object.
func broken(t *testing.T, scenario, kind string) string {
	t.Helper()
	f, err := os.Open("../../evals/scenarios/" + scenario + "/cluster.capture")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := cluster.ReadCapture(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Scan(context.Background(), s, all.Analyzers).Diagnoses {
		if strings.EqualFold(d.RootCause.Subject.Kind, kind) {
			return d.RootCause.Subject.Name
		}
	}
	k, _ := cluster.KindNamed(kind)
	return s.Objects(k.GroupKind())[0].GetName()
}

func render(t *testing.T, a *why.Answer) {
	t.Helper()
	for name, format := range why.Formats {
		var b bytes.Buffer
		if err := format(&b, a, report.Options{}); err != nil || b.Len() == 0 {
			t.Errorf("%s: %v, %d bytes", name, err, b.Len())
		}
		if name == "json" && !json.Valid(b.Bytes()) {
			t.Error("not JSON")
		}
	}
}
