package reach_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// checkFixes applies what is said to be missing, on both sides, and asks again.
func (w *world) checkFixes(t *testing.T, s *cluster.Snapshot, seed uint64, from, to actor, protocol corev1.Protocol, number int32, a reach.Answer) {
	t.Helper()
	if a.State != reach.Denied || len(w.hidden) > 0 {
		return
	}
	for _, side := range a.Hops[0].Denies() {
		fixes := []*reach.Fix{side.Missing}
		for _, n := range side.Near {
			fixes = append(fixes, n.Fix)
		}
		for _, fix := range fixes {
			if fix == nil {
				continue
			}
			after := apply(t, s, fix)
			again, err := reach.Evaluate(after, w.endpoint(from), w.endpoint(to), reach.Ask{Number: number, Protocol: protocol})
			if err != nil {
				t.Fatal(err)
			}
			for _, still := range again.Hops[0].Denies() {
				if still.Direction == side.Direction {
					t.Fatalf("seed %d: %s -> %s on %d/%s: %s does not help: %s\n%s", seed, w.name(from), w.name(to), number, protocol, fix.Why, still.Why, w)
				}
			}
		}
	}
}

func apply(t *testing.T, s *cluster.Snapshot, fix *reach.Fix) *cluster.Snapshot {
	t.Helper()
	if fix.New == nil {
		after, err := s.With(fix.Target, fix.Patch)
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	b := cluster.NewBuilder(s.Info())
	for _, k := range cluster.Kinds() {
		b.Add(s.Objects(k.GroupKind())...)
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	b.Add(fix.New)
	return b.Build()
}

// services asks for each Service from some end: each pod behind it must be judged, on the
// port that the Service sends to.
func (w *world) services(t *testing.T, s *cluster.Snapshot, seed uint64, counts map[reach.State]int) {
	t.Helper()
	for _, svc := range w.svcs {
		from := w.actor()
		want := reach.Allowed
		behind := 0
		for _, pod := range w.pods {
			if pod.Namespace != svc.Namespace || pod.Labels["app"] != svc.Spec.Selector["app"] {
				continue
			}
			sp := svc.Spec.Ports[0]
			number := sp.TargetPort.IntVal
			if sp.TargetPort.StrVal != "" {
				number = 0
				for _, cp := range pod.Spec.Containers[0].Ports {
					if cp.Name == sp.TargetPort.StrVal && cp.Protocol == sp.Protocol {
						number = cp.ContainerPort
					}
				}
				if number == 0 {
					continue
				}
			}
			behind++
			switch got := w.answer(from, w.actorOf(pod), sp.Protocol, number); {
			case got == reach.Denied, got == reach.NotEvaluated && want == reach.Allowed:
				want = got
			}
		}
		if behind == 0 {
			want = reach.NotEvaluated
		}
		got, err := reach.Evaluate(s, w.endpoint(from), reach.OfService(svc), reach.Ask{Number: svc.Spec.Ports[0].Port})
		if err != nil {
			t.Fatal(err)
		}
		counts[got.State]++
		if got.State != want && (len(w.hidden) == 0 || got.State != reach.NotEvaluated) {
			t.Fatalf("seed %d: %s -> Service %s/%s: got %s (%s), the model says %s\n%s", seed, w.name(from), svc.Namespace, svc.Name, got.State, got.Why, want, w)
		}
	}
}
