package cluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func built(seen bool, objects ...Object) *Snapshot {
	b := NewBuilder(Info{CapturedAt: noon})
	b.Add(objects...)
	for _, k := range Kinds() {
		state := Complete
		if !seen {
			state = Forbidden
		}
		b.AddAccess(Access{Group: k.Group, Kind: k.Kind, State: state})
	}
	return b.Build()
}

func shop(seen bool) *Snapshot {
	svc := func(ns, name, ip string) *corev1.Service {
		return &corev1.Service{ObjectMeta: named(ns, name), Spec: corev1.ServiceSpec{ClusterIP: ip, Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}}
	}
	pod := func(ns, name, app, ip string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app": app}},
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: app, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour))}}}}
	}
	host := pod("shop", "node-agent", "node-agent", "192.168.0.5")
	host.Spec.HostNetwork = true
	yes, no := true, false
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-x", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}}, Endpoints: []discoveryv1.Endpoint{
		{Conditions: discoveryv1.EndpointConditions{Ready: &yes}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "db-0"}},
		{Conditions: discoveryv1.EndpointConditions{Ready: &no}},
		{}, // no condition means ready
	}}
	out := svc("shop", "out", "")
	out.Spec.Type, out.Spec.ExternalName = corev1.ServiceTypeExternalName, "db.example.com"
	return built(seen, &corev1.Namespace{ObjectMeta: named("", "data")}, svc("shop", "db", "10.96.0.7"), svc("data", "db", "10.96.0.8"), svc("shop", "web", "10.96.0.9"), out, slice,
		pod("shop", "db-0", "db", "10.244.0.7"), pod("shop", "web-x", "web", "10.244.0.9"), pod("shop", "alone", "alone", "10.244.0.99"), host)
}

func TestDependency(t *testing.T) {
	s := shop(true)
	for _, test := range []struct{ host, service, pod, missing string }{
		{"db", "shop/db", "", ""},
		{"db.shop", "shop/db", "", ""},
		{"db.data", "data/db", "", ""},
		{"db.data.svc", "data/db", "", ""},
		{"db.data.svc.cluster.local", "data/db", "", ""},
		{"db.data.svc.k8s.example.com", "data/db", "", ""},
		{"db-0.db", "shop/db", "shop/db-0", ""},
		{"db-0.db.shop", "shop/db", "shop/db-0", ""},
		{"db-0.db.shop.svc.cluster.local", "shop/db", "shop/db-0", ""},
		{"10.96.0.8", "data/db", "", ""},
		{"10.244.0.9", "shop/web", "shop/web-x", ""},
		{"10.244.0.99", "", "shop/alone", ""},
		{"192.168.0.5", "", "", ""}, // a node's address names no pod
		{"cache", "", "", "shop/cache"},
		{"cache.data", "", "", "data/cache"},
		{"cache.data.svc.cluster.local", "", "", "data/cache"},
		{"example.com", "", "", ""},
		{"api.stripe.com", "", "", ""},
		{"localhost", "", "", ""},
		{"::1", "", "", ""},
		{"8.8.8.8", "", "", ""},
		{"", "", "", ""},
	} {
		d := s.Dependency("shop", Address{Host: test.host})
		service, pod, missing := "", "", ""
		if d.Service != nil {
			service = d.Service.Namespace + "/" + d.Service.Name
		}
		if d.Pod != nil {
			pod = d.Pod.Namespace + "/" + d.Pod.Name
		}
		if !d.Missing.IsZero() {
			missing = d.Missing.Namespace + "/" + d.Missing.Name
		}
		if service != test.service || pod != test.pod || missing != test.missing {
			t.Errorf("%s: service %q pod %q missing %q", test.host, service, pod, missing)
		}
	}
	if d := shop(false).Dependency("shop", Address{Host: "cache"}); !d.Missing.IsZero() {
		t.Error("missing although the Services were not read")
	}
	if !s.Dependency("shop", Address{Host: "example.com"}).External() || s.Dependency("shop", Address{Host: "127.0.0.1"}).External() {
		t.Error("external")
	}
}

func TestServing(t *testing.T) {
	s := shop(true)
	find := func(s *Snapshot, name string) *corev1.Service {
		svc, _ := Find[*corev1.Service](s, "shop", name)
		return svc
	}
	if n, since, known := s.Serving(find(s, "db")); n != 2 || !known || !since.Equal(noon.Add(-time.Hour)) {
		t.Error(n, since, known)
	}
	if n, _, known := s.Serving(find(s, "web")); n != 0 || !known {
		t.Error(n, known) // pods are ready, but no slice says so
	}
	if _, _, known := s.Serving(find(s, "out")); known {
		t.Error("an ExternalName has no endpoints to tell")
	}
	unread := shop(false)
	if _, _, known := unread.Serving(find(unread, "db")); known {
		t.Error("known, although nothing was read")
	}
	if !HasPort(find(s, "db"), 80) || HasPort(find(s, "db"), 81) || !HasPort(find(s, "db"), 0) {
		t.Error("ports")
	}
	if !s.Declares(find(s, "db"), 80) || s.Declares(find(s, "db"), 81) {
		t.Error("declares")
	}
}

func TestCrashing(t *testing.T) {
	state := func(ran, since time.Duration, restarts int32) (*corev1.Pod, corev1.ContainerStatus) {
		end := metav1.NewTime(noon.Add(-since))
		pod := &corev1.Pod{ObjectMeta: named("shop", "x"), Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "x"}}}}
		return pod, corev1.ContainerStatus{Name: "x", Ready: true, RestartCount: restarts, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: end}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: metav1.NewTime(end.Add(-ran)), FinishedAt: end}}}
	}
	s := built(true)
	for _, test := range []struct {
		ran, since time.Duration
		restarts   int32
		want       bool
	}{
		{time.Second, time.Second, 2, true},
		{time.Second, 30 * time.Second, 2, false},     // it has got over it
		{20 * time.Second, 30 * time.Second, 2, true}, // it takes a while each time
		{time.Second, 30 * time.Second, 5, true},
		{time.Second, 5 * time.Minute, 5, false},
		{4 * time.Minute, 5 * time.Minute, 5, true},
		{4 * time.Minute, 11 * time.Minute, 5, false},
		{time.Second, time.Second, 1, false}, // one restart is none
	} {
		pod, status := state(test.ran, test.since, test.restarts)
		if got := s.Crashing(pod, status); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	// A readiness probe that passes shows more than a run without one.
	for since, want := range map[time.Duration]bool{5 * time.Second: true, 30 * time.Second: false} {
		pod, status := state(time.Second, since, 5)
		pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
		if got := s.Crashing(pod, status); got != want {
			t.Errorf("ready by a probe %s after its start: %v", since, got)
		}
		if status.Ready = false; !s.Crashing(pod, status) {
			t.Errorf("not ready by its probe %s after its start: no crash", since)
		}
	}
}

func TestEndedByProbe(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "x", UID: "uid-x"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", LivenessProbe: &corev1.Probe{PeriodSeconds: 5, FailureThreshold: 3}}}}}
	event := func(reason, message string, ago time.Duration) *corev1.Event {
		return &corev1.Event{ObjectMeta: named("shop", reason), Reason: reason, Message: message, LastTimestamp: metav1.NewTime(noon.Add(-ago)), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "x", UID: "uid-x", FieldPath: "spec.containers{x}"}}
	}
	status := func(code int32, ran time.Duration) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "x", RestartCount: 20, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, StartedAt: metav1.NewTime(noon.Add(-time.Minute - ran)), FinishedAt: metav1.NewTime(noon.Add(-time.Minute))}}}
	}
	kill := "Container x failed liveness probe, will be restarted"
	for name, test := range map[string]struct {
		ev   *corev1.Event
		st   corev1.ContainerStatus
		want string
	}{
		"recent kill":         {event("Killing", kill, time.Minute), status(137, 20*time.Second), "liveness"},
		"old kill":            {event("Killing", kill, 40*time.Minute), status(143, 20*time.Second), "liveness"},
		"failed try":          {event("Unhealthy", "Liveness probe failed: x", time.Minute), status(0, 20*time.Second), "liveness"},
		"another exit code":   {event("Killing", kill, 40*time.Minute), status(1, 20*time.Second), ""},
		"too short a run":     {event("Killing", kill, 40*time.Minute), status(137, time.Second), ""},
		"another probe":       {event("Unhealthy", "Readiness probe failed: x", time.Minute), status(137, 20*time.Second), ""},
		"a try long ago":      {event("Unhealthy", "Liveness probe failed: x", 40*time.Minute), status(137, 20*time.Second), ""},
		"another container":   {event("Killing", "Container y failed liveness probe, will be restarted", time.Minute), status(137, 20*time.Second), ""},
		"stopped for another": {event("Killing", "Stopping container x", time.Minute), status(137, 20*time.Second), ""},
	} {
		if got, _, _ := built(true, pod.DeepCopy(), test.ev).EndedByProbe(pod, test.st); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
