package netpol

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// SelectsNothing reports policies with a selector that finds nothing for a slip: the
// policy's own, which leaves the pods open that it was to protect, or one of a namespace,
// which lets nobody in. A policy for pods that are not there yet, or come and go, is no
// fault: an object that nearly fits must exist.
var SelectsNothing = &analyzers.Analyzer{
	Name:  "netpol/selects-nothing",
	Doc:   "network policies with a selector that misses by a slip",
	Needs: evaluated(),
	Emits: []analyzers.Code{selectorMistake},
	Run: func(p *analyzers.Pass) error {
		blamed := map[cluster.Ref]bool{} // by CutOff, with those who suffer
		for _, a := range attempts(p) {
			for _, ref := range nearPolicies(p, a) {
				blamed[ref] = true
			}
		}
		for policy := range cluster.Scoped[*networkingv1.NetworkPolicy](p.Snapshot) {
			if !blamed[cluster.RefOf(policy)] {
				noPod(p, policy)
				noNamespace(p, policy)
			}
		}
		return nil
	},
}

// nearPolicies are those that CutOff names as the mistaken ones.
func nearPolicies(p *analyzers.Pass, a attempt) []cluster.Ref {
	d, ok := denied(p, a)
	if !ok || !a.silence(p) {
		return nil
	}
	var out []cluster.Ref
	for _, side := range d.hop.Denies() {
		for _, n := range side.Near {
			out = append(out, n.Policy)
		}
	}
	return out
}

// noPod reports a policy whose podSelector finds no pod and no template, and nearly finds
// a workload.
func noPod(p *analyzers.Pass, policy *networkingv1.NetworkPolicy) {
	sel, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	if err != nil || sel.Empty() || !p.Sees(cluster.Pods, policy.Namespace) {
		return
	}
	var meant cluster.Object
	var want, have string
	for _, w := range p.Workloads(policy.Namespace) {
		t, ok := cluster.Template(w)
		if !ok || sel.Matches(labels.Set(t.Labels)) {
			return
		}
		if a, b, near := reach.Mistaken(&policy.Spec.PodSelector, t.Labels); near && meant == nil {
			meant, want, have = w, a, b
		}
	}
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, policy.Namespace) {
		if sel.Matches(labels.Set(pod.Labels)) {
			return
		}
	}
	if meant == nil {
		return
	}
	ref, workload := cluster.RefOf(policy), cluster.RefOf(meant)
	p.Report(analyzers.Finding{
		Code: selectorMistake, Severity: analyzers.Warning, Subject: ref, Part: "podSelector",
		Summary: analyzers.Line(fmt.Sprintf("NetworkPolicy %s selects no pod: it asks for %s, and %s %s has %s", policy.Name, want, workload.Kind, workload.Name, have), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "spec.podSelector", Quote: quote(policy.Spec.PodSelector)},
			{Source: workload.String(), Path: "spec.template.metadata.labels", Quote: have},
		},
		Fixes: []analyzers.Fix{
			{Why: fmt.Sprintf("Select the pods of %s by the label that they have; the policy then restricts them", workload.Short()), Argv: p.Kubectl(policy.Namespace, "edit", "networkpolicy", policy.Name)},
			{Why: "Show the pods and their labels", Argv: p.Kubectl(policy.Namespace, "get", "pods", "--show-labels")},
		},
	})
}

// noNamespace reports a namespaceSelector that no namespace fits, and one nearly does.
func noNamespace(p *analyzers.Pass, policy *networkingv1.NetworkPolicy) {
	if !p.Sees(cluster.Namespaces, "") {
		return
	}
	for i, r := range policy.Spec.Ingress {
		for j, peer := range r.From {
			noNamespaceIn(p, policy, fmt.Sprintf("spec.ingress[%d].from[%d].namespaceSelector", i, j), peer.NamespaceSelector)
		}
	}
	for i, r := range policy.Spec.Egress {
		for j, peer := range r.To {
			noNamespaceIn(p, policy, fmt.Sprintf("spec.egress[%d].to[%d].namespaceSelector", i, j), peer.NamespaceSelector)
		}
	}
}

func noNamespaceIn(p *analyzers.Pass, policy *networkingv1.NetworkPolicy, path string, sel *metav1.LabelSelector) {
	want, have, meant, ok := reach.MistakenNamespace(p.Snapshot, sel)
	if !ok {
		return
	}
	ref := cluster.RefOf(policy)
	summary := fmt.Sprintf("NetworkPolicy %s asks for a namespace with %s, which none has: ", policy.Name, want)
	if strings.HasPrefix(have, corev1.LabelMetadataName+"=") {
		summary += "there is " + meant
	} else {
		summary += fmt.Sprintf("namespace %s has %s", meant, have)
	}
	p.Report(analyzers.Finding{
		Code: selectorMistake, Severity: analyzers.Warning, Subject: ref, Part: path,
		Summary: analyzers.Line(summary, analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: path, Quote: quote(sel)},
			{Source: cluster.Ref{APIVersion: "v1", Kind: "Namespace", Name: meant}.String(), Path: "metadata.labels", Quote: labelsOf(p, cluster.Ref{APIVersion: "v1", Kind: "Namespace", Name: meant})},
		},
		Fixes: []analyzers.Fix{{
			Why:  fmt.Sprintf("Select the namespace by its name, kubernetes.io/metadata.name=%s, in %s", meant, path),
			Argv: p.Kubectl(policy.Namespace, "edit", "networkpolicy", policy.Name),
		}},
	})
}
