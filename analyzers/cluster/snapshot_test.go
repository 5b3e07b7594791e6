package cluster

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func pod(ns, name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, UID: types.UID(ns + "-" + name)}}
	if change != nil {
		change(p)
	}
	return p
}

func controlledBy(kind, name, uid string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(uid), Controller: &yes}}
}

func TestBuildOrdersAndKeepsTheLast(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	b.Add(pod("b", "x", nil), pod("a", "y", nil), pod("a", "x", func(p *corev1.Pod) { p.Spec.NodeName = "old" }))
	b.Add(pod("a", "x", func(p *corev1.Pod) { p.Spec.NodeName = "new" }), nil)
	var got []string
	for p := range All[*corev1.Pod](b.Build()) {
		got = append(got, p.Namespace+"/"+p.Name+p.Spec.NodeName)
	}
	if want := []string{"a/xnew", "a/y", "b/x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInStopsAtTheNamespace(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	b.Add(pod("a", "1", nil), pod("aa", "2", nil), pod("b", "3", nil))
	s := b.Build()
	for ns, want := range map[string]int{"a": 1, "aa": 1, "b": 1, "c": 0, "": 0} {
		if got := len(slices.Collect(In[*corev1.Pod](s, ns))); got != want {
			t.Errorf("In %q: %d pods, want %d", ns, got, want)
		}
	}
}

func TestBuildDropsWhatMayNotBeKept(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	b.Add(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "c", ManagedFields: []metav1.ManagedFieldsEntry{{}}, Annotations: map[string]string{lastApplied: "{secret}"}},
		BinaryData: map[string][]byte{"k": []byte("secret")},
	})
	s := b.Build()
	c, _ := Find[*corev1.ConfigMap](s, "", "c")
	if c.ManagedFields != nil || c.Annotations != nil || c.BinaryData["k"] != nil {
		t.Errorf("kept: %+v", c)
	}
	if _, ok := c.BinaryData["k"]; !ok {
		t.Error("the key is gone, which a check of missing keys needs")
	}
}

func TestSees(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	b.AddAccess(
		Access{Kind: "Pod", Namespace: "shop", State: Complete},
		Access{Kind: "Pod", Namespace: "bank", State: Forbidden},
		Access{Kind: "Service", State: Partial},
		Access{Kind: "ConfigMap", State: Complete},
	)
	s := b.Build()
	for _, c := range []struct {
		ok        bool
		kind, ns  string
		namespace string
	}{
		{true, "Pod", "", "shop"}, {false, "Pod", "", "bank"}, {false, "Pod", "", ""}, {false, "Pod", "", "other"},
		{false, "Service", "", "shop"}, {true, "ConfigMap", "", "any"}, {true, "ConfigMap", "", ""}, {false, "Secret", "", "shop"},
	} {
		gk := Pods
		gk.Kind = c.kind
		if got := s.Sees(gk, c.namespace); got != c.ok {
			t.Errorf("Sees(%s, %q) = %v", c.kind, c.namespace, got)
		}
	}
}

func TestRootFollowsOwners(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	dep := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "d"}}
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "r", OwnerReferences: controlledBy("Deployment", "web", "d")}}
	own := pod("shop", "web-1-a", func(p *corev1.Pod) { p.OwnerReferences = controlledBy("ReplicaSet", "web-1", "r") })
	orphan := pod("shop", "gone", func(p *corev1.Pod) { p.OwnerReferences = controlledBy("StatefulSet", "db", "unseen") })
	mirror := pod("kube-system", "etcd-n1", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n1", UID: "n", Controller: own.OwnerReferences[0].Controller}}
	})
	bare := pod("shop", "bare", nil)
	b.Add(dep, rs, own, orphan, mirror, bare)
	s := b.Build()
	for _, c := range []struct {
		pod  *corev1.Pod
		want string
	}{{own, "Deployment shop/web"}, {orphan, "StatefulSet shop/db"}, {mirror, "Pod kube-system/etcd-n1"}, {bare, "Pod shop/bare"}} {
		if got := s.Root(c.pod).String(); got != c.want {
			t.Errorf("Root(%s) = %s, want %s", c.pod.Name, got, c.want)
		}
	}
	if pods := s.PodsOf(dep); len(pods) != 1 || pods[0].Name != "web-1-a" {
		t.Errorf("PodsOf = %v", pods)
	}
}

func TestRootOfACycleEnds(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	x := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "x", UID: "x", OwnerReferences: controlledBy("ReplicaSet", "y", "y")}}
	y := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "y", UID: "y", OwnerReferences: controlledBy("ReplicaSet", "x", "x")}}
	b.Add(x, y)
	s := b.Build()
	s.Root(x)
	s.PodsOf(x)
}

func TestEventsMatchByUID(t *testing.T) {
	event := func(name, uid string, at time.Time) *corev1.Event {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: name},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "db-0", UID: types.UID(uid)},
			EventTime:      metav1.NewMicroTime(at), Reason: "Failed",
		}
	}
	b := NewBuilder(Info{CapturedAt: t0})
	now := pod("shop", "db-0", nil)
	b.Add(now, event("new", "shop-db-0", t0.Add(-time.Minute)), event("predecessor", "another-uid", t0), event("without-uid", "", t0.Add(-time.Hour)))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "real-uid"}}
	nodeEvent := event("node", "n1", t0)
	nodeEvent.InvolvedObject = corev1.ObjectReference{Kind: "Node", Name: "n1", UID: "n1"} // as the kubelet writes it
	b.Add(node, nodeEvent)
	s := b.Build()
	var got []string
	for _, ev := range s.EventsFor(now) {
		got = append(got, ev.Name)
	}
	if want := []string{"without-uid", "new"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if len(s.EventsFor(node)) != 1 {
		t.Error("the kubelet's event about its node is lost")
	}
}

func TestEventTimeAndCount(t *testing.T) {
	at := func(m int) metav1.Time { return metav1.NewTime(t0.Add(time.Duration(m) * time.Minute)) }
	for name, c := range map[string]struct {
		ev    corev1.Event
		time  time.Time
		count int32
	}{
		"core":          {corev1.Event{FirstTimestamp: at(1), LastTimestamp: at(3), Count: 7}, at(3).Time, 7},
		"events.k8s.io": {corev1.Event{EventTime: metav1.NewMicroTime(at(2).Time)}, at(2).Time, 1},
		"series":        {corev1.Event{EventTime: metav1.NewMicroTime(at(2).Time), Series: &corev1.EventSeries{Count: 4, LastObservedTime: metav1.NewMicroTime(at(5).Time)}}, at(5).Time, 4},
		"bare":          {corev1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(9)}}, at(9).Time, 1},
	} {
		if got := EventTime(&c.ev); !got.Equal(c.time) {
			t.Errorf("%s: time %s, want %s", name, got, c.time)
		}
		if got := EventCount(&c.ev); got != c.count {
			t.Errorf("%s: count %d, want %d", name, got, c.count)
		}
	}
}

func TestWithLeavesTheOriginal(t *testing.T) {
	b := NewBuilder(Info{CapturedAt: t0})
	b.Add(
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "wbe"}}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "d"}},
		pod("shop", "db-waits", func(p *corev1.Pod) { p.OwnerReferences = controlledBy("Deployment", "db", "d") }),
		pod("shop", "db-runs", func(p *corev1.Pod) {
			p.OwnerReferences = controlledBy("Deployment", "db", "d")
			p.Spec.NodeName = "n1"
		}),
	)
	s := b.Build()
	var before, after bytes.Buffer
	if err := WriteCapture(&before, s); err != nil {
		t.Fatal(err)
	}
	changed, err := s.With(Ref{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "web"}, []byte(`{"spec":{"selector":{"app":"web"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	svc, _ := Find[*corev1.Service](changed, "shop", "web")
	if svc.Spec.Selector["app"] != "web" {
		t.Errorf("not patched: %v", svc.Spec.Selector)
	}
	moved, err := s.With(Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "db"}, []byte(`{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	waits, _ := Find[*corev1.Pod](moved, "shop", "db-waits")
	runs, _ := Find[*corev1.Pod](moved, "shop", "db-runs")
	if waits.Spec.NodeSelector["disk"] != "ssd" || runs.Spec.NodeSelector != nil {
		t.Errorf("pods after the patch: %v, %v", waits.Spec.NodeSelector, runs.Spec.NodeSelector)
	}
	if err := WriteCapture(&after, s); err != nil || !bytes.Equal(before.Bytes(), after.Bytes()) {
		t.Error("the original changed")
	}
	if _, err := s.With(Ref{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "none"}, []byte(`{}`)); err == nil {
		t.Error("a patch of what is not there must fail")
	}
}

// starring masks "hunter2" wherever it is asked to look.
type starring struct{}

func (starring) Text(s string) string       { return strings.ReplaceAll(s, "hunter2", "***") }
func (r starring) Value(_, v string) string { return r.Text(v) }
func (r starring) Args(a []string) []string {
	out := make([]string, len(a))
	for i := range a {
		out[i] = r.Text(a[i])
	}
	return out
}

// TestBuildMasksEverywhere plants a secret in every place that holds text of people or
// programs; none may be in what is written.
func TestBuildMasksEverywhere(t *testing.T) {
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"a": secret}},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Command: []string{secret}}},
			Containers: []corev1.Container{{
				Command: []string{"run"}, Args: []string{"-p", secret}, Env: []corev1.EnvVar{{Name: "A", Value: secret}},
				LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{secret}}}},
				ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: secret, HTTPHeaders: []corev1.HTTPHeader{{Name: "A", Value: secret}}}}},
				Lifecycle:      &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{secret}}}},
			}},
			EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Args: []string{secret}}}},
		},
	}
	raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(Info{CapturedAt: t0})
	b.Redactor = starring{}
	b.Add(
		pod("shop", "web", func(p *corev1.Pod) {
			p.Annotations, p.Spec = map[string]string{"a": secret}, *template.Spec.DeepCopy()
			p.Status.Message = secret
			p.Status.Conditions = []corev1.PodCondition{{Message: secret}}
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Message: secret}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: secret}},
			}}
		}),
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d"}, Spec: appsv1.DeploymentSpec{Template: *template.DeepCopy()}},
		&appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Data: runtime.RawExtension{Raw: raw}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Data: map[string]string{"k": secret}},
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Message: secret},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s", Annotations: map[string]string{"a": secret}}},
	)
	b.AddLog(Log{Namespace: "shop", Pod: "web", Container: "c", Text: secret})
	s := b.Build()
	text := gunzip(t, write(t, s))
	if strings.Contains(text, "hunter2") {
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "hunter2") {
				t.Errorf("not masked: %s", line)
			}
		}
	}
	r, _ := Find[*appsv1.ControllerRevision](s, "", "r")
	if revisionTemplate(r) == nil {
		t.Error("the revision's template is lost")
	}
}
