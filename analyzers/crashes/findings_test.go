package crashes

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

var now = time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)

// scene builds a Deployment "api" with one crashed pod; change adjusts the pod.
func scene(t *testing.T, code, restarts int32, log string, change func(*corev1.Pod), more ...cluster.Object) []analyzers.Finding {
	t.Helper()
	yes := true
	owned := func(kind, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(name), Controller: &yes}}
	}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}
	}
	end := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error", StartedAt: metav1.NewTime(now.Add(-20 * time.Second)), FinishedAt: metav1.NewTime(now.Add(-19 * time.Second))}}
	pod := &corev1.Pod{ObjectMeta: meta("api-2-x"), Spec: corev1.PodSpec{NodeName: "lab-1", RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "api", Image: "api:2"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "api", RestartCount: restarts, State: end}}}}
	pod.OwnerReferences = owned("ReplicaSet", "api-2")
	set := func(name, revision string, ready int32) *appsv1.ReplicaSet {
		rs := &appsv1.ReplicaSet{ObjectMeta: meta(name), Status: appsv1.ReplicaSetStatus{ReadyReplicas: ready}}
		rs.OwnerReferences, rs.Annotations = owned("Deployment", "api"), map[string]string{"deployment.kubernetes.io/revision": revision}
		return rs
	}
	b := cluster.NewBuilder(cluster.Info{CapturedAt: now, Context: "lab"})
	b.Add(&appsv1.Deployment{ObjectMeta: meta("api")}, set("api-1", "1", 1), set("api-2", "2", 0))
	if change != nil {
		change(pod)
	}
	b.Add(pod)
	b.Add(more...)
	for _, k := range cluster.Kinds() {
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	b.AddLog(cluster.Log{Namespace: "shop", Pod: "api-2-x", Container: "api", Text: log})
	list := []*analyzers.Analyzer{AppError, DependencyDown, ExecFormat, ExitsZero, InitFailing, InitStuck, Killed, OOMKilled, OpenFiles, PermissionDenied, PortTaken, Segfault, SidecarBlocks}
	if err := analyzers.Validate(list); err != nil {
		t.Fatal(err)
	}
	r := analyzers.Run(context.Background(), b.Build(), list)
	if len(r.Failed) > 0 {
		t.Fatal(r.Failed)
	}
	return r.Findings
}

func one(t *testing.T, list []analyzers.Finding, code string) analyzers.Finding {
	t.Helper()
	if len(list) != 1 || list[0].Code.ID != code {
		t.Fatalf("want one %s: %+v", code, list)
	}
	if n := len([]rune(list[0].Summary)); n > analyzers.MaxSummary {
		t.Errorf("%d characters: %s", n, list[0].Summary)
	}
	return list[0]
}

func commands(f analyzers.Finding) string {
	var out []string
	for _, fix := range f.Fixes {
		out = append(out, fix.Command())
	}
	return strings.Join(out, "\n")
}

// TestRollback: the crash came with the newest revision and the old one is well, so going
// back comes first; a missing setting comes before it.
func TestRollback(t *testing.T) {
	f := one(t, scene(t, 2, 3, "panic: nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1", nil), "crash-app-error")
	if got, want := commands(f), "kubectl --context lab -n shop rollout undo deployment/api\nkubectl --context lab -n shop logs api-2-x -c api --tail=100"; got != want {
		t.Errorf("fixes:\n%s\nwant:\n%s", got, want)
	}
	f = one(t, scene(t, 1, 3, "level=fatal msg=\"DATABASE_URL is not set\"", nil), "crash-app-error")
	if got := commands(f); !strings.HasPrefix(got, "kubectl --context lab -n shop set env deployment/api -c api 'DATABASE_URL=<value>'\nkubectl --context lab -n shop rollout undo") {
		t.Errorf("fixes:\n%s", got)
	}
	// The program asks for a variable that it has: setting it is no help.
	f = one(t, scene(t, 1, 3, "level=fatal msg=\"DATABASE_URL is not set\"", func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DATABASE_URL", Value: "x"}}
	}), "crash-app-error")
	if strings.Contains(commands(f), "set env") {
		t.Errorf("fixes:\n%s", commands(f))
	}
	// The older revision belongs to another pod.
	f = one(t, scene(t, 1, 3, "level=fatal msg=x", func(p *corev1.Pod) { p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "api-1", "api-1" }), "crash-app-error")
	if strings.Contains(commands(f), "undo") {
		t.Errorf("fixes:\n%s", commands(f))
	}
}

func TestEvidenceOrder(t *testing.T) {
	f := one(t, scene(t, 1, 3, "2026-11-23T06:29:41.000000001Z level=fatal msg=\"no such  plan\"", func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Terminated.Message = "out of plans"
	}), "crash-app-error")
	var got []string
	for _, e := range f.Evidence {
		got = append(got, e.Source+"|"+e.Path+"|"+e.Quote)
	}
	want := []string{
		`Log of Pod shop/api-2-x container api|current|level=fatal msg="no such  plan"`,
		"Pod shop/api-2-x|status.containerStatuses[api].terminated.message|out of plans",
		"Pod shop/api-2-x|status.containerStatuses[api].state.terminated|exitCode: 1, reason: Error",
		"Pod shop/api-2-x|status.containerStatuses[api].restartCount|restartCount: 3",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f.Evidence[0].At.IsZero() {
		t.Error("the line has no time")
	}
}

func TestFirstCrashIsAWarning(t *testing.T) {
	if f := one(t, scene(t, 1, 0, "level=fatal msg=x", nil), "crash-app-error"); f.Severity != analyzers.Warning {
		t.Errorf("severity %s", f.Severity)
	}
	if f := one(t, scene(t, 1, 1, "level=fatal msg=x", nil), "crash-app-error"); f.Severity != analyzers.Error {
		t.Errorf("severity %s", f.Severity)
	}
}

func TestDependencyCause(t *testing.T) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders-db"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.9", Ports: []corev1.ServicePort{{Port: 5432}}}}
	line := "level=fatal msg=\"dial tcp 10.96.0.9:5432: connect: connection refused\""
	f := one(t, scene(t, 1, 3, line, nil, svc.DeepCopy()), "crash-dependency-unavailable")
	if len(f.CausedBy) != 1 || f.CausedBy[0].String() != "Service shop/orders-db" || f.Shared != "Service orders-db has no ready endpoint" {
		t.Errorf("%v %q", f.CausedBy, f.Shared)
	}
	if strings.Contains(commands(f), "undo") {
		t.Error("a rollback does not mend the database")
	}
}

// TestRename: the misspelt host stands in a variable, and is corrected there. A value that
// holds a password, or its mask, is never written back.
func TestRename(t *testing.T) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "ordersdb"}}
	env := func(value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DB", Value: value}} }
	}
	line := "dial tcp: lookup orders-db on 10.96.0.10:53: no such host"
	f := one(t, scene(t, 1, 3, line, env("orders-db:5432"), svc.DeepCopy()), "crash-dependency-unavailable")
	if got := f.Fixes[0].Command(); got != "kubectl --context lab -n shop set env deployment/api -c api DB=ordersdb:5432" {
		t.Error(got)
	}
	for _, value := range []string{"postgres://app:***@orders-db:5432/x", "my-orders-db:5432"} {
		f = one(t, scene(t, 1, 3, line, env(value), svc.DeepCopy()), "crash-dependency-unavailable")
		if got := f.Fixes[0].Command(); strings.Contains(got, "set env") {
			t.Error(got)
		}
	}
}

func TestPatches(t *testing.T) {
	user := int64(1000)
	f := one(t, scene(t, 1, 3, "open /data/x: permission denied", func(p *corev1.Pod) {
		p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	}), "container-permission-denied")
	argv := f.Fixes[0].Argv
	var patch appsv1.Deployment
	if err := json.Unmarshal([]byte(argv[len(argv)-1]), &patch); err != nil {
		t.Fatal(err)
	}
	if sc := patch.Spec.Template.Spec.SecurityContext; sc == nil || sc.FSGroup == nil || *sc.FSGroup != user {
		t.Errorf("%s", argv[len(argv)-1])
	}
}

// TestHostile: what a log holds does not leave the summary in one line of plain text.
func TestHostile(t *testing.T) {
	f := one(t, scene(t, 1, 3, "level=fatal msg=\"\x1b[31mred\\nnext\x00 "+strings.Repeat("x", 500)+"\"", nil), "crash-app-error")
	if strings.ContainsAny(f.Summary, "\x1b\n\x00") {
		t.Errorf("%q", f.Summary)
	}
}
