package probes

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
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

var (
	now = time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	all = []*analyzers.Analyzer{BindsLocalhost, ExecProbe, GatePending, LivenessKills, ReadinessFailing}
)

// scene is a Deployment "web" with one pod that has been unready for ago.
func scene(t *testing.T, ago time.Duration, c corev1.Container, message, log string) *cluster.Snapshot {
	t.Helper()
	yes := true
	owned := func(kind, name string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(name), Controller: &yes}}
	}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}
	}
	start := metav1.NewTime(now.Add(-ago))
	c.Name = "web"
	d := &appsv1.Deployment{ObjectMeta: meta("web")}
	d.Spec.Template.Spec.Containers = []corev1.Container{*c.DeepCopy()}
	rs := &appsv1.ReplicaSet{ObjectMeta: meta("web-1")}
	rs.OwnerReferences = owned("Deployment", "web")
	pod := &corev1.Pod{ObjectMeta: meta("web-1-x"), Spec: corev1.PodSpec{NodeName: "lab-1", Containers: []corev1.Container{c}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: start}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "web", Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: start}}}}}}
	pod.OwnerReferences = owned("ReplicaSet", "web-1")
	ev := &corev1.Event{ObjectMeta: meta("web.1"), Type: "Warning", Reason: "Unhealthy", Message: message, LastTimestamp: metav1.NewTime(now.Add(-time.Second)),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1-x", UID: "web-1-x", FieldPath: "spec.containers{web}"}}
	b := cluster.NewBuilder(cluster.Info{CapturedAt: now, Context: "lab"})
	b.Add(d, rs, pod, ev)
	for _, k := range cluster.Kinds() {
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	b.AddLog(cluster.Log{Namespace: "shop", Pod: "web-1-x", Container: "web", Text: log})
	if err := analyzers.Validate(all); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

func run(t *testing.T, s *cluster.Snapshot) []analyzers.Finding {
	t.Helper()
	r := analyzers.Run(context.Background(), s, all)
	if len(r.Failed) > 0 {
		t.Fatal(r.Failed)
	}
	for _, f := range r.Findings {
		if n := len([]rune(f.Summary)); n > analyzers.MaxSummary {
			t.Errorf("%d characters: %s", n, f.Summary)
		}
	}
	return r.Findings
}

func asking(port int) corev1.Container {
	return corev1.Container{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}, ReadinessProbe: &corev1.Probe{FailureThreshold: 3, PeriodSeconds: 10,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt(port)}}}}
}

const refusal = `Readiness probe failed: Get "http://10.244.0.13:8081/ready": dial tcp 10.244.0.13:8081: connect: connection refused`

// TestWrongPortPatch: once the template asks the right port, the pod that still asks the
// wrong one is about to be replaced and no finding. That proves nothing about the port:
// only a kubelet can.
func TestWrongPortPatch(t *testing.T) {
	s := scene(t, time.Hour, asking(8081), refusal, "listening on :8080")
	findings := run(t, s)
	if len(findings) != 1 || findings[0].Severity != analyzers.Error {
		t.Fatalf("%+v", findings)
	}
	patch := findings[0].Fixes[0].Patch
	after, err := s.With(patch.Target, patch.Data)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := cluster.Find[*appsv1.Deployment](after, "shop", "web")
	if got := d.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet; got.Port.StrVal != "http" || got.Path != "/ready" {
		t.Errorf("%+v", got)
	}
	if left := run(t, after); len(left) > 0 {
		t.Errorf("%+v", left)
	}
}

// TestEarly: what may still come up by itself is a warning at most.
func TestEarly(t *testing.T) {
	for _, test := range []struct {
		ago     time.Duration
		message string
		want    analyzers.Severity
	}{
		{20 * time.Second, "Readiness probe failed: HTTP probe failed with statuscode: 503", ""},
		{40 * time.Second, "Readiness probe failed: HTTP probe failed with statuscode: 503", analyzers.Error},
		{40 * time.Second, refusal, analyzers.Warning}, // nothing tells that it is not about to listen
		{3 * time.Minute, refusal, analyzers.Error},
	} {
		c := asking(8081)
		c.Ports[0].ContainerPort = 8081
		var got analyzers.Severity
		if f := run(t, scene(t, test.ago, c, test.message, "loading")); len(f) > 0 {
			got = f[0].Severity
		}
		if got != test.want {
			t.Errorf("%s after %s: %q, want %q", test.message, test.ago, got, test.want)
		}
	}
}

// TestBindAll: the address is changed where it is written, but never in a value that may
// hold the mask of a secret, nor in one that says where to connect.
func TestBindAll(t *testing.T) {
	c := asking(8080)
	message := strings.ReplaceAll(refusal, "8081", "8080")
	for _, test := range []struct {
		args []string
		env  []corev1.EnvVar
		want string
	}{
		{[]string{"serve", "--listen=127.0.0.1:8080"}, nil, `"--listen=0.0.0.0:8080"`},
		{nil, []corev1.EnvVar{{Name: "DB_HOST", Value: "localhost"}, {Name: "HOST", Value: "127.0.0.1"}}, "HOST=0.0.0.0"},
		{[]string{"--token=***", "--listen=127.0.0.1:8080"}, nil, "edit deployment/web"},
	} {
		c.Args, c.Env = test.args, test.env
		f := run(t, scene(t, time.Hour, c, message, "listening on 127.0.0.1:8080"))
		if len(f) != 1 || f[0].Code.ID != "app-binds-localhost" || !strings.Contains(f[0].Fixes[0].Command(), test.want) {
			t.Errorf("%v: %+v", test, f)
		}
	}
}

// TestPatchesAreValid reads each patch as the object that it is to change.
func TestPatchesAreValid(t *testing.T) {
	trouble := trouble{pod: &corev1.Pod{}, container: &corev1.Container{Name: "web"}, subject: analyzers.Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}}
	trouble.probe, trouble.which = asking(8080).ReadinessProbe, liveness
	p := analyzers.NewPass(LivenessKills, scene(t, time.Hour, asking(8080), refusal, ""), nil)
	for _, f := range []failure{{mode: silent}, {mode: scheme}, {mode: status, code: 404}, {mode: status, code: 401}, {mode: portName}} {
		trouble.failure = f
		for _, fix := range append(trouble.livenessFixes(p), trouble.allowStart(p)...) {
			var d appsv1.Deployment
			if err := json.Unmarshal([]byte(fix.Argv[len(fix.Argv)-1]), &d); err != nil || len(d.Spec.Template.Spec.Containers) != 1 {
				t.Errorf("%v: %s", err, fix.Command())
			}
		}
	}
}
