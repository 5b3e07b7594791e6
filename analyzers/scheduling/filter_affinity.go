package scheduling

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A term is one required term of pod affinity or anti-affinity.
type term struct {
	key        string // topology
	selector   labels.Selector
	namespaces map[string]bool
	others     labels.Selector // more namespaces, by their labels
}

// A guard is a term of anti-affinity of a pod on a node: it keeps others away.
type guard struct {
	term
	placed
}

type domain struct{ key, value string }

// podRules are the pod's rules about other pods, with the pods counted.
type podRules struct {
	affinity, anti []term
	near           map[domain]int // pods that match all terms of affinity
	far            []map[domain]*corev1.Pod
	guarded        map[domain]guard
	guardKeys      []string // the topology keys of guarded, in order
	first          bool     // no pod matches yet, and the pod would match itself
}

// A rule is what turns a node down: own affinity, own anti-affinity, or a guard.
type rule struct {
	own   *term
	anti  bool
	by    *corev1.Pod // the pod in the way
	guard *guard
}

// affinityTerm parses a term of pod (k8s.io/kube-scheduler framework/types.go,
// newAffinityTerm): without namespaces and namespaceSelector it means the pod's own.
func affinityTerm(pod *corev1.Pod, t *corev1.PodAffinityTerm) (term, bool) {
	selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
	others, err2 := metav1.LabelSelectorAsSelector(t.NamespaceSelector)
	if err != nil || err2 != nil {
		return term{}, false
	}
	out := term{key: t.TopologyKey, selector: withKeys(selector, pod.Labels, t.MatchLabelKeys, t.MismatchLabelKeys), namespaces: map[string]bool{}, others: others}
	if len(t.Namespaces) == 0 && t.NamespaceSelector == nil {
		out.namespaces[pod.Namespace] = true
	}
	for _, ns := range t.Namespaces {
		out.namespaces[ns] = true
	}
	return out, true
}

// withKeys adds matchLabelKeys and mismatchLabelKeys to a selector. The API server does
// that when it takes a pod (k8s.io/kubernetes pkg/registry/core/pod/strategy.go); a pod
// that an overlay makes of a template has not passed there. Twice does no harm.
func withKeys(s labels.Selector, set map[string]string, match, mismatch []string) labels.Selector {
	add := func(keys []string, op selection.Operator) {
		for _, key := range keys {
			if value, ok := set[key]; ok {
				if req, err := labels.NewRequirement(key, op, []string{value}); err == nil {
					s = s.Add(*req)
				}
			}
		}
	}
	if _, selectable := s.Requirements(); selectable {
		add(match, selection.In)
		add(mismatch, selection.NotIn)
	}
	return s
}

func (t *term) reaches(ev *evaluator, namespace string) bool {
	if t.namespaces[namespace] || t.others.Empty() {
		return true
	}
	if _, some := t.others.Requirements(); !some {
		return false // matches nothing: there was no namespaceSelector
	}
	ns, ok := cluster.Find[*corev1.Namespace](ev.s, "", namespace)
	return ok && t.others.Matches(labels.Set(ns.Labels))
}

func (t *term) matches(ev *evaluator, pod *corev1.Pod) bool {
	return t.selector.Matches(labels.Set(pod.Labels)) && t.reaches(ev, pod.Namespace)
}

// sees reports whether all pods that the term can mean are in the Snapshot; without
// them nobody can say that none matches.
func (t *term) sees(ev *evaluator) bool {
	byLabels, more := t.others.Requirements()
	if len(byLabels) > 0 && !ev.s.Sees(cluster.Namespaces, "") {
		return false
	}
	if ev.seesPods {
		return true
	}
	if more {
		return false
	}
	for ns := range t.namespaces {
		if !ev.s.Sees(cluster.Pods, ns) {
			return false
		}
	}
	return true
}

func (t *term) String() string {
	return fmt.Sprintf("%s in the same %s", t.selector, t.key)
}

func (ev *evaluator) guardsOf(at placed) []guard {
	a := at.pod.Spec.Affinity
	if a == nil || a.PodAntiAffinity == nil {
		return nil
	}
	var out []guard
	for i := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		if t, ok := affinityTerm(at.pod, &a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i]); ok {
			out = append(out, guard{t, at})
		}
	}
	return out
}

// parsePodRules counts as the scheduler does before it looks at nodes (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/interpodaffinity/filtering.go, PreFilter).
func (r *request) parsePodRules() podRules {
	rules := podRules{guarded: map[domain]guard{}}
	for _, g := range r.ev.guards {
		value, ok := g.on.node.Labels[g.key]
		if d := (domain{g.key, value}); ok && !r.without[g.pod] && g.matches(r.ev, r.pod) {
			if _, have := rules.guarded[d]; !have {
				rules.guarded[d] = g
			}
			if !slices.Contains(rules.guardKeys, g.key) {
				rules.guardKeys = append(rules.guardKeys, g.key)
			}
		}
	}
	slices.Sort(rules.guardKeys)
	a := r.pod.Spec.Affinity
	if a == nil {
		return rules
	}
	if a.PodAffinity != nil {
		rules.affinity = parseTerms(r.pod, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	if a.PodAntiAffinity != nil {
		rules.anti = parseTerms(r.pod, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	rules.far = make([]map[domain]*corev1.Pod, len(rules.anti))
	for i := range rules.anti {
		t := &rules.anti[i]
		rules.far[i] = map[domain]*corev1.Pod{}
		for at := range r.candidates(t) {
			if value, ok := at.on.node.Labels[t.key]; ok && t.matches(r.ev, at.pod) {
				rules.far[i][domain{t.key, value}] = at.pod
			}
		}
	}
	r.countNear(&rules)
	return rules
}

func parseTerms(pod *corev1.Pod, list []corev1.PodAffinityTerm) []term {
	var out []term
	for i := range list {
		if t, ok := affinityTerm(pod, &list[i]); ok {
			out = append(out, t)
		}
	}
	return out
}

// candidates are the pods in the namespaces that the term means.
func (r *request) candidates(t *term) func(yield func(placed) bool) {
	return func(yield func(placed) bool) {
		for _, ns := range r.ev.names {
			if t.reaches(r.ev, ns) {
				for at := range r.present(ns) {
					if !yield(at) {
						return
					}
				}
			}
		}
	}
}

func (r *request) countNear(rules *podRules) {
	if len(rules.affinity) == 0 {
		return
	}
	all := func(pod *corev1.Pod) bool {
		for i := range rules.affinity {
			if !rules.affinity[i].matches(r.ev, pod) {
				return false
			}
		}
		return true
	}
	rules.near = map[domain]int{}
	for at := range r.candidates(&rules.affinity[0]) {
		if !all(at.pod) {
			continue
		}
		for _, t := range rules.affinity {
			if value, ok := at.on.node.Labels[t.key]; ok {
				rules.near[domain{t.key, value}]++
			}
		}
	}
	// The first of a group that wants to be together may go anywhere.
	rules.first = len(rules.near) == 0 && all(r.pod)
}

func (r *request) podAffinity(n *nodeState, out []Rejection) []Rejection {
	reject := func(rule rule, reason string) {
		out = append(out, Rejection{Filter: InterPodAffinity, kind: byAffinity, rule: rule, Reason: reason})
	}
	for i := range r.pods.affinity {
		t := &r.pods.affinity[i]
		value, ok := n.node.Labels[t.key]
		switch {
		case !ok:
			reject(rule{own: t}, "the node has no label "+t.key)
		case r.pods.near[domain{t.key, value}] == 0 && !r.pods.first && t.sees(r.ev):
			reject(rule{own: t}, fmt.Sprintf("no pod with %s in %s=%s", t.selector, t.key, value))
		}
	}
	for i := range r.pods.anti {
		t := &r.pods.anti[i]
		if value, ok := n.node.Labels[t.key]; ok {
			if by := r.pods.far[i][domain{t.key, value}]; by != nil {
				reject(rule{own: t, anti: true, by: by}, fmt.Sprintf("a pod with %s runs in %s=%s", t.selector, t.key, value))
			}
		}
	}
	for _, key := range r.pods.guardKeys {
		value, ok := n.node.Labels[key]
		if g, guarded := r.pods.guarded[domain{key, value}]; ok && guarded {
			reject(rule{by: g.pod, guard: &g}, fmt.Sprintf("%s keeps pods with %s out of %s=%s", cluster.RefOf(g.pod), g.selector, key, value))
			break
		}
	}
	return out
}
