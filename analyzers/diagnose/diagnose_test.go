package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

var (
	causeCode    = analyzers.Code{ID: "a-cause", Severity: analyzers.Error, Role: analyzers.Cause, Title: "cause"}
	otherCause   = analyzers.Code{ID: "b-cause", Severity: analyzers.Error, Role: analyzers.Cause, Title: "other"}
	symptomCode  = analyzers.Code{ID: "a-symptom", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "symptom"}
	otherSymptom = analyzers.Code{ID: "b-symptom", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "symptom"}
)

// shop is an Ingress, Services and workloads: front → web → pods; api → pods on node n1.
func shop(ready ...string) *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	yes := true
	for _, name := range []string{"web", "api", "db"} {
		labels := map[string]string{"app": name}
		b.Add(
			&appsv1.Deployment{ObjectMeta: meta(name), Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}}},
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("svc-" + name)}, Spec: corev1.ServiceSpec{Selector: labels}},
		)
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-1", UID: types.UID("pod-" + name), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: types.UID("uid-" + name), Controller: &yes}}}}
		p.Spec.NodeName = "n1"
		if slices.Contains(ready, name) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		b.Add(p)
	}
	b.Add(&networkingv1.Ingress{ObjectMeta: meta("front"), Spec: networkingv1.IngressSpec{
		DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web"}},
	}})
	b.Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	return b.Build()
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)}
}

func ref(kind, name string) analyzers.Ref {
	k, ok := cluster.KindNamed(kind)
	if !ok {
		panic(kind)
	}
	r := analyzers.Ref{APIVersion: k.GroupVersion().String(), Kind: k.Kind, Name: name}
	if k.Namespaced {
		r.Namespace = "shop"
	}
	return r
}

func finding(c analyzers.Code, subject analyzers.Ref, change ...func(*analyzers.Finding)) analyzers.Finding {
	f := analyzers.Finding{Code: c, Severity: c.Severity, Subject: subject, Summary: c.ID, Count: 1}
	for _, ch := range change {
		ch(&f)
	}
	return f
}

func causedBy(shared string, refs ...analyzers.Ref) func(*analyzers.Finding) {
	return func(f *analyzers.Finding) { f.CausedBy, f.Shared = refs, shared }
}

// outline is a diagnosis a line: "root <- consequence <- …", each as code:Kind/name@depth.
func outline(ds []Diagnosis) string {
	var out []string
	for _, d := range ds {
		parts := []string{fmt.Sprintf("%s:%s/%s", d.RootCause.Code.ID, d.RootCause.Subject.Kind, d.RootCause.Subject.Name)}
		for _, c := range d.Consequences {
			parts = append(parts, fmt.Sprintf("%s:%s/%s@%d", c.Code.ID, c.Subject.Kind, c.Subject.Name, c.Depth))
		}
		out = append(out, strings.Join(parts, " <- "))
	}
	return strings.Join(out, "\n")
}

func TestDiagnose(t *testing.T) {
	secret := ref("Secret", "db")
	for name, c := range map[string]struct {
		ready    []string
		findings []analyzers.Finding
		want     string
	}{
		"a symptom alone is a root": {
			findings: []analyzers.Finding{finding(symptomCode, ref("Deployment", "web"))},
			want:     "a-symptom:Deployment/web",
		},
		"a symptom folds under the cause at the same object": {
			findings: []analyzers.Finding{finding(symptomCode, ref("Deployment", "web")), finding(causeCode, ref("Deployment", "web"))},
			want:     "a-cause:Deployment/web <- a-symptom:Deployment/web@1",
		},
		"a pod's finding is its Deployment's": {
			findings: []analyzers.Finding{finding(symptomCode, ref("Deployment", "web")), finding(causeCode, ref("Pod", "web-1"))},
			want:     "a-cause:Pod/web-1 <- a-symptom:Deployment/web@1",
		},
		"each step of the way shows": {
			findings: []analyzers.Finding{
				finding(symptomCode, ref("Ingress", "front")), finding(otherSymptom, ref("Service", "web")), finding(causeCode, ref("Deployment", "web")),
			},
			want: "a-cause:Deployment/web <- b-symptom:Service/web@1 <- a-symptom:Ingress/front@2",
		},
		"a symptom of one thing does not fold under the cause of another": {
			findings: []analyzers.Finding{finding(symptomCode, ref("Service", "web")), finding(causeCode, ref("Deployment", "api"))},
			want:     "a-cause:Deployment/api\na-symptom:Service/web",
		},
		"causes stay roots": {
			findings: []analyzers.Finding{finding(causeCode, ref("Deployment", "web")), finding(otherCause, ref("Deployment", "web"))},
			want:     "a-cause:Deployment/web\nb-cause:Deployment/web",
		},
		"a node behind a pod that is not ready": {
			findings: []analyzers.Finding{finding(symptomCode, ref("Deployment", "web")), finding(causeCode, ref("Node", "n1"))},
			want:     "a-cause:Node/n1 <- a-symptom:Deployment/web@1",
		},
		"a node behind pods that are ready does no harm": {
			ready:    []string{"web"},
			findings: []analyzers.Finding{finding(symptomCode, ref("Deployment", "web")), finding(causeCode, ref("Node", "n1"))},
			want:     "a-cause:Node/n1\na-symptom:Deployment/web",
		},
		"a crash names its dependency": {
			findings: []analyzers.Finding{
				finding(otherCause, ref("Deployment", "api"), causedBy("", ref("Service", "db"))),
				finding(symptomCode, ref("Service", "db")), finding(causeCode, ref("Deployment", "db")),
			},
			want: "a-cause:Deployment/db <- a-symptom:Service/db@1 <- b-cause:Deployment/api@2",
		},
		"a dependency that is well explains nothing": {
			findings: []analyzers.Finding{finding(otherCause, ref("Deployment", "api"), causedBy("", ref("Service", "db")))},
			want:     "b-cause:Deployment/api",
		},
		"two that wait for each other": {
			findings: []analyzers.Finding{
				finding(causeCode, ref("Deployment", "api"), causedBy("", ref("Service", "db"))),
				finding(otherCause, ref("Deployment", "db"), causedBy("", ref("Service", "api"))),
			},
			want: "b-cause:Deployment/db <- a-cause:Deployment/api@1",
		},
		"one missing Secret is one diagnosis": {
			findings: []analyzers.Finding{
				finding(causeCode, ref("Deployment", "web"), causedBy("Secret db does not exist", secret)),
				finding(causeCode, ref("Deployment", "api"), causedBy("Secret db does not exist", secret)),
				finding(symptomCode, ref("Service", "web")),
			},
			want: "a-cause:Secret/db <- a-cause:Deployment/api@1 <- a-cause:Deployment/web@1 <- a-symptom:Service/web@2",
		},
		"a Secret that one workload misses is that workload's": {
			findings: []analyzers.Finding{finding(causeCode, ref("Deployment", "web"), causedBy("Secret db does not exist", secret))},
			want:     "a-cause:Deployment/web",
		},
		"two containers of one workload share nothing with others": {
			findings: []analyzers.Finding{
				finding(causeCode, ref("Deployment", "web"), causedBy("x", secret), func(f *analyzers.Finding) { f.Part = "a" }),
				finding(causeCode, ref("Deployment", "web"), causedBy("x", secret), func(f *analyzers.Finding) { f.Part = "b" }),
			},
			want: "a-cause:Deployment/web\na-cause:Deployment/web",
		},
		"the version of a reference does not matter": {
			findings: []analyzers.Finding{
				finding(otherCause, ref("Deployment", "web"), causedBy("", analyzers.Ref{APIVersion: "apps/v1beta1", Kind: "Deployment", Namespace: "shop", Name: "db"})),
				finding(causeCode, ref("Deployment", "db")),
			},
			want: "a-cause:Deployment/db <- b-cause:Deployment/web@1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shop(c.ready...)
			got := outline(Diagnose(s, c.findings))
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			// What is found first must not matter.
			slices.Reverse(c.findings)
			if again := outline(Diagnose(s, c.findings)); again != got {
				t.Errorf("in another order:\n%s", again)
			}
		})
	}
}

func TestSeverityByUsers(t *testing.T) {
	find := func(s *cluster.Snapshot, severity analyzers.Severity) Diagnosis {
		return Diagnose(s, []analyzers.Finding{finding(causeCode, ref("Deployment", "web"), func(f *analyzers.Finding) { f.Severity = severity })})[0]
	}
	if d := find(shop(), analyzers.Error); d.Severity != analyzers.Critical || len(d.Unserved) != 1 {
		t.Errorf("no pod serves: %s, %v", d.Severity, d.Unserved)
	}
	if d := find(shop("web"), analyzers.Error); d.Severity != analyzers.Error || len(d.Unserved) != 0 {
		t.Errorf("a pod still serves: %s, %v", d.Severity, d.Unserved)
	}
	if d := find(shop(), analyzers.Warning); d.Severity != analyzers.Warning {
		t.Errorf("a risk is no outage: %s", d.Severity)
	}
}

func TestIDIsStable(t *testing.T) {
	one := Diagnose(shop(), []analyzers.Finding{finding(causeCode, ref("Deployment", "web"))})[0]
	two := Diagnose(shop("api"), []analyzers.Finding{finding(causeCode, ref("Deployment", "web"), func(f *analyzers.Finding) {
		f.Summary, f.Affected, f.Severity = "other words", []analyzers.Ref{ref("Pod", "web-2")}, analyzers.Warning
	})})[0]
	if one.ID != two.ID {
		t.Errorf("%s, %s", one.ID, two.ID)
	}
	other := Diagnose(shop(), []analyzers.Finding{finding(causeCode, ref("Deployment", "api"))})[0]
	if other.ID == one.ID {
		t.Error("two faults with one id")
	}
}

// selector is a small real check: a Service whose selector matches no pod.
func selector(alsoReport func(*analyzers.Pass, *corev1.Service)) *analyzers.Analyzer {
	return &analyzers.Analyzer{
		Name: "test/selector", Doc: "finds a selector without pods", Needs: []schema.GroupKind{cluster.Services, cluster.Pods}, Emits: []analyzers.Code{causeCode, otherCause},
		Run: func(p *analyzers.Pass) error {
			for svc := range cluster.All[*corev1.Service](p.Snapshot) {
				if len(p.PodsWith(svc.Namespace, svc.Spec.Selector)) == 0 {
					p.Report(analyzers.Finding{Code: causeCode, Subject: cluster.RefOf(svc), Summary: "no pods"})
				} else if alsoReport != nil {
					alsoReport(p, svc)
				}
			}
			return nil
		},
	}
}

func TestProve(t *testing.T) {
	s, err := shop().With(ref("Service", "web"), []byte(`{"spec":{"selector":{"app":"wbe"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	patch := func(data string) analyzers.Fix {
		return analyzers.Fix{Why: "x", Patch: &analyzers.Patch{Target: ref("Service", "web"), Data: []byte(data)}}
	}
	brings := func(p *analyzers.Pass, svc *corev1.Service) {
		if svc.Name == "web" {
			p.Report(analyzers.Finding{Code: otherCause, Subject: cluster.RefOf(svc), Summary: "something new"})
		}
	}
	for name, c := range map[string]struct {
		analyzer *analyzers.Analyzer
		fix      analyzers.Fix
		want     analyzers.Proof
	}{
		"helps":                  {selector(nil), patch(`{"spec":{"selector":{"app":"web"}}}`), analyzers.Proven},
		"does not help":          {selector(nil), patch(`{"spec":{"selector":{"app":"wep"}}}`), analyzers.Suggested},
		"brings a new finding":   {selector(brings), patch(`{"spec":{"selector":{"app":"web"}}}`), analyzers.Suggested},
		"is no patch":            {selector(nil), analyzers.Fix{Why: "x"}, analyzers.Suggested},
		"cannot be applied":      {selector(nil), patch(`{"spec":`), analyzers.Suggested},
		"is of the wrong object": {selector(nil), analyzers.Fix{Patch: &analyzers.Patch{Target: ref("Service", "none"), Data: []byte(`{}`)}}, analyzers.Suggested},
	} {
		t.Run(name, func(t *testing.T) {
			list := []*analyzers.Analyzer{c.analyzer}
			found := analyzers.Run(context.Background(), s, list).Findings
			ds := Diagnose(s, found)
			if len(ds) != 1 {
				t.Fatalf("%d diagnoses", len(ds))
			}
			ds[0].Fixes = []analyzers.Fix{c.fix}
			Prove(context.Background(), s, list, ds, found)
			if got := ds[0].Fixes[0].Proof; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestProveNeedsASimulation: a check that is content as soon as the template differs must
// not make a proof of a change that only a kubelet can show.
// A vague cause, one that only repeats what a program says, follows from an exact one: of
// the same container, or of another object from which the same pod suffers. Another
// container's fault is its own, and so is a mere risk.
func TestVagueCauses(t *testing.T) {
	vague := analyzers.Code{ID: "vague", Severity: analyzers.Error, Role: analyzers.Cause, Vague: true}
	of := func(part string) func(*analyzers.Finding) {
		return func(f *analyzers.Finding) { f.Part, f.Affected = part, []analyzers.Ref{ref("Pod", "web-1")} }
	}
	warning := func(f *analyzers.Finding) { f.Severity = analyzers.Warning }
	web, policy := ref("Deployment", "web"), ref("NetworkPolicy", "deny")
	for name, tc := range map[string]struct {
		exact analyzers.Finding
		want  string
	}{
		"same container":    {finding(causeCode, web, of("app")), "a-cause:Deployment/web <- vague:Deployment/web@1"},
		"other container":   {finding(causeCode, web, of("sidecar")), "a-cause:Deployment/web\nvague:Deployment/web"},
		"verdict":           {finding(causeCode, policy, of("ingress")), "a-cause:NetworkPolicy/deny <- vague:Deployment/web@1"},
		"a risk":            {finding(causeCode, policy, of("ingress"), warning), "vague:Deployment/web\na-cause:NetworkPolicy/deny"},
		"of another client": {finding(causeCode, policy, func(f *analyzers.Finding) { f.Affected = []analyzers.Ref{ref("Pod", "api-1")} }), "vague:Deployment/web\na-cause:NetworkPolicy/deny"},
	} {
		ds := Diagnose(shop(), []analyzers.Finding{finding(vague, web, of("app")), tc.exact})
		if got := outline(ds); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

func TestProveNeedsASimulation(t *testing.T) {
	content := &analyzers.Analyzer{
		Name: "test/probe", Doc: "finds a pod that is as its template says", Needs: []schema.GroupKind{cluster.Deployments, cluster.Pods}, Emits: []analyzers.Code{causeCode},
		Run: func(p *analyzers.Pass) error {
			for d := range cluster.All[*appsv1.Deployment](p.Snapshot) {
				if d.Name == "web" && d.Spec.Template.Spec.NodeSelector == nil {
					p.Report(analyzers.Finding{Code: causeCode, Subject: cluster.RefOf(d), Summary: "x", Affected: []analyzers.Ref{ref("Pod", "web-1")}})
				}
			}
			return nil
		},
	}
	fix := analyzers.Fix{Why: "x", Patch: &analyzers.Patch{Target: ref("Deployment", "web"), Data: []byte(`{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`)}}
	for name, c := range map[string]struct {
		node string
		want analyzers.Proof
	}{"a running pod": {"n1", analyzers.Suggested}, "a pod without a node": {"", analyzers.Proven}} {
		s := shop()
		pod, _ := cluster.Find[*corev1.Pod](s, "shop", "web-1")
		pod.Spec.NodeName = c.node
		list := []*analyzers.Analyzer{content}
		found := analyzers.Run(context.Background(), s, list).Findings
		ds := Diagnose(s, found)
		ds[0].Fixes = []analyzers.Fix{fix}
		Prove(context.Background(), s, list, ds, found)
		if got := ds[0].Fixes[0].Proof; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
