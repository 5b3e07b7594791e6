package images

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// commands are the fixes of the only finding about the objects, one a line.
func commands(t *testing.T, a *analyzers.Analyzer, objects ...string) string {
	t.Helper()
	b := cluster.NewBuilder(cluster.Info{Context: "prod", CapturedAt: time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)})
	for _, text := range objects {
		o, err := cluster.DecodeObject([]byte(text))
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		b.Add(o)
	}
	result := analyzers.Run(context.Background(), b.Build(), []*analyzers.Analyzer{a})
	if len(result.Findings) != 1 || len(result.Failed) > 0 {
		t.Fatalf("findings %v, failures %v", result.Findings, result.Failed)
	}
	var lines []string
	for _, fix := range result.Findings[0].Fixes {
		lines = append(lines, fix.Command())
	}
	return strings.Join(lines, "\n")
}

func failing(name, owner, image, more string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + name + `","namespace":"shop","ownerReferences":[` + owner + `]},
		"spec":{"nodeName":"node-1","containers":[{"name":"web","image":"` + image + `"}]` + more + `},
		"status":{"phase":"Pending","containerStatuses":[{"name":"web","image":"` + image + `","state":{"waiting":{"reason":"ErrImagePull","message":"` + image + `: not found"}}}]}}`
}

func owned(kind, name string) string {
	return `{"apiVersion":"apps/v1","kind":"` + kind + `","name":"` + name + `","uid":"` + name + `","controller":true}`
}

func workload(kind, name, image, owner, more string) string {
	return `{"apiVersion":"apps/v1","kind":"` + kind + `","metadata":{"name":"` + name + `","namespace":"shop","uid":"` + name + `","ownerReferences":[` + owner + `],"annotations":{"deployment.kubernetes.io/revision":"` + more + `"}},
		"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"web","image":"` + image + `"}]}}},"status":{"readyReplicas":` + map[string]string{"1": "1"}[more] + `0}}`
}

func TestRollback(t *testing.T) {
	got := commands(t, NotFound,
		workload("Deployment", "web", "registry.corp/web:2.9", "", ""),
		workload("ReplicaSet", "web-a", "registry.corp/web:1.0", owned("Deployment", "web"), "1"),
		workload("ReplicaSet", "web-b", "registry.corp/web:2.9", owned("Deployment", "web"), "2"),
		failing("web-b-1", owned("ReplicaSet", "web-b"), "registry.corp/web:2.9", ""))
	want := `kubectl --context prod -n shop set image deployment/web web=registry.corp/web:1.0
kubectl --context prod -n shop rollout undo deployment/web`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A StatefulSet does not replace a pod that never got ready, though its template is right
// by now.
func TestTemplateIsMendedAlready(t *testing.T) {
	got := commands(t, NotFound,
		workload("StatefulSet", "web", "registry.corp/web:1.0", "", ""),
		failing("web-0", owned("StatefulSet", "web"), "registry.corp/web:2.9", ""))
	if want := "kubectl --context prod -n shop delete pod web-0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKindsWithoutTemplate(t *testing.T) {
	job := `{"apiVersion":"batch/v1","kind":"Job","name":"web","uid":"web","controller":true}`
	if got, want := commands(t, NotFound, failing("web-x", job, "registry.corp/web:2.9", "")), "kubectl --context prod -n shop set image pod/web-x 'web=registry.corp/web:<tag>'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	custom := `{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"web","uid":"web","controller":true}`
	if got, want := commands(t, NotFound, failing("web-x", custom, "registry.corp/web:2.9", "")), "kubectl --context prod -n shop edit rollout/web"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
