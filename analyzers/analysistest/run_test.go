package analysistest

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// watcher records what the harness complains about.
type watcher struct{ complaints []string }

func (*watcher) Helper() {}
func (w *watcher) Errorf(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}
func (w *watcher) Fatalf(format string, args ...any) { w.Errorf(format, args...) }

var broken = analyzers.Code{ID: "svc-broken", Severity: analyzers.Error, Role: analyzers.Cause, Title: "broken"}

// services reports each Service with the label broken.
func services(run func(*analyzers.Pass, *corev1.Service)) *analyzers.Analyzer {
	return &analyzers.Analyzer{
		Name: "test/services", Doc: "finds broken services", Needs: []schema.GroupKind{cluster.Services}, Emits: []analyzers.Code{broken},
		Run: func(p *analyzers.Pass) error {
			for svc := range cluster.All[*corev1.Service](p.Snapshot) {
				run(p, svc)
			}
			return nil
		},
	}
}

func report(p *analyzers.Pass, svc *corev1.Service) {
	p.Report(analyzers.Finding{Code: broken, Subject: cluster.RefOf(svc), Summary: "It is broken", Evidence: []analyzers.Evidence{{Source: "Service"}}})
}

func right(p *analyzers.Pass, svc *corev1.Service) {
	if svc.Labels["broken"] == "yes" {
		report(p, svc)
	}
}

const good = `
apiVersion: v1
kind: Service # want svc-broken "is broken"
metadata: {name: a, namespace: shop, labels: {broken: "yes"}}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: shop}
`

// TestHarness proves that each promise of the harness can fail.
func TestHarness(t *testing.T) {
	order := []string{}
	for name, c := range map[string]struct {
		analyzer *analyzers.Analyzer
		fixture  string
		want     string // part of a complaint; "" for none
	}{
		"good":            {services(right), good, ""},
		"misses":          {services(func(*analyzers.Pass, *corev1.Service) {}), good, "no svc-broken on Service/shop/a"},
		"cries wolf":      {services(report), good, "unexpected svc-broken on Service/shop/b"},
		"other summary":   {services(right), strings.Replace(good, "is broken", "is well", 1), "no svc-broken"},
		"other code":      {services(right), strings.Replace(good, "svc-broken", "svc-other", 1), "no svc-other"},
		"named subject":   {services(right), strings.Replace(good, "svc-broken", "svc-broken Service/shop/a", 1), ""},
		"no silent one":   {services(right), strings.Split(good, "---")[0], "must stay silent"},
		"a typo in want":  {services(right), strings.Replace(good, `"is broken"`, `is broken`, 1), "a want is"},
		"no object":       {services(right), "# want svc-broken \"x\"\n---" + good, "name its subject"},
		"an unknown kind": {services(right), "apiVersion: v2\nkind: Thing\n---" + good, "not in the table"},
		"no evidence": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			if svc.Name == "a" {
				p.Report(analyzers.Finding{Code: broken, Subject: cluster.RefOf(svc), Summary: "It is broken"})
			}
		}), good, "lacks a summary, evidence"},
		"undeclared code": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			if svc.Name == "a" {
				f := analyzers.Finding{Code: broken, Subject: cluster.RefOf(svc), Summary: "It is broken", Evidence: []analyzers.Evidence{{Source: "x"}}}
				f.Code.ID = "other"
				p.Report(f)
			}
		}), good, "does not declare it in Emits"},
		"undeclared kind": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			cluster.Find[*corev1.Node](p.Snapshot, "", "n")
			right(p, svc)
		}), good, "does not declare it in Needs"},
		"changes the snapshot": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			right(p, svc)
			svc.Spec.Selector = map[string]string{"x": "y"}
		}), good, "changed the snapshot"},
		"panics": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			right(p, svc)
			_ = svc.Status.LoadBalancer.Ingress[0]
		}), good, "panic"},
		"depends on a state of its own": {services(func(p *analyzers.Pass, svc *corev1.Service) {
			if order = append(order, svc.Name); svc.Name == "a" && len(order) < 3 {
				report(p, svc)
			}
		}), good, "a second run differs"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watcher{}
			check(w, c.analyzer, []byte(c.fixture), map[string]bool{}, map[schema.GroupKind]bool{})
			all := strings.Join(w.complaints, "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("complaints:\n%s\nwant %q", all, c.want)
			}
		})
	}
}
