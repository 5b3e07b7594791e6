package scheduling

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

func loadReal(t *testing.T, dir string) *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{})
	for _, f := range []string{"namespace.json", "cluster.json"} {
		data, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Skip(err)
		}
		var l struct{ Items []json.RawMessage }
		if err := json.Unmarshal(data, &l); err != nil {
			t.Fatal(err)
		}
		for _, raw := range l.Items {
			o, err := cluster.DecodeObject(raw)
			if err != nil {
				t.Log(err)
				continue
			}
			if o != nil {
				b.Add(o)
			}
		}
	}
	st, _ := os.Stat(filepath.Join(dir, "namespace.json"))
	if os.Getenv("UNDATED") == "" {
		b.Info.CapturedAt = st.ModTime()
	}
	for _, k := range cluster.Kinds() {
		ns := ""
		if os.Getenv("ONENS") != "" && k.Namespaced {
			ns = filepath.Base(dir)
		}
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete, Namespace: ns})
	}
	return b.Build()
}

func TestReal(t *testing.T) {
	dirs, _ := filepath.Glob("/tmp/real/[a-z]*")
	list := []*analyzers.Analyzer{Unschedulable, Gated, Preempted, Rejected, NoScheduler, DaemonNotScheduled}
	for _, d := range dirs {
		name := filepath.Base(d)
		if w := os.Getenv("ONLY"); w != "" && !strings.Contains(name, w) {
			continue
		}
		s := loadReal(t, d)
		res := analyzers.Run(context.Background(), s, list)
		for _, f := range res.Failed {
			t.Errorf("%s: %v", name, f)
		}
		if len(res.Findings) > 0 {
			fmt.Println("=====", name)
		}
		ds := diagnose.Diagnose(s, res.Findings)
		diagnose.Prove(context.Background(), s, list, ds, res.Findings)
		for _, d := range ds {
			f := d.RootCause
			fmt.Printf("%s %s %s x%d: %s (%d)\n", f.Severity, f.Code.ID, f.Subject, f.Count, f.Summary, len(f.Summary))
			for _, e := range f.Evidence {
				fmt.Printf("    e %s | %s | %s\n", e.Source, e.Path, e.Quote)
			}
			for _, x := range d.Fixes {
				fmt.Printf("    f [%s] %s :: %s\n", x.Proof, x.Why, x.Command())
			}
		}
		// histogram
		ev := newEvaluator(s)
		for pod := range cluster.All[*corev1.Pod](s) {
			w, ok := wordsAbout(s, pod)
			if !ok || pod.Spec.NodeName != "" || w.before != "" {
				continue
			}
			e := ev.evaluate(ev.request(pod, nil))
			got := map[Filter]int{}
			for _, r := range e.Rows {
				if len(r.Rejections) == 0 {
					got["fits"]++
				} else {
					got[r.Rejections[0].Filter]++
				}
			}
			want := map[Filter]int{}
			for reason, n := range w.counts {
				f, _, ok := filterOf(reason)
				if !ok {
					f = Filter("?" + reason)
				}
				want[f] += n
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v want %v from %s", name, got, want, w.text)
			}
		}
	}
}
