package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// A spread is one topology spread constraint that must hold, with the pods counted.
type spread struct {
	corev1.TopologySpreadConstraint
	selector labels.Selector
	self     int            // 1 when the pod counts itself
	matches  map[string]int // domain -> pods; the domains that count
	least    int            // pods in the emptiest of them
}

// A skew is why a spread constraint turns a node down.
type skew struct {
	of     *spread
	domain string // empty when the node lacks the label
	pods   int    // in that domain, without the new one
}

// countSpreads counts the pods in each domain as the scheduler does (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/podtopologyspread/filtering.go, calPreFilterState):
// only nodes count that carry the label keys of all constraints and that the pod's node
// affinity matches, tainted ones included unless nodeTaintsPolicy says Honor.
func (r *request) countSpreads() []spread {
	var out []spread
	for _, c := range r.pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.ScheduleAnyway {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			continue
		}
		selector = withKeys(selector, r.pod.Labels, c.MatchLabelKeys, nil)
		s := spread{TopologySpreadConstraint: c, selector: selector, matches: map[string]int{}}
		if selector.Matches(labels.Set(r.pod.Labels)) {
			s.self = 1
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(r.pod)
	counts := func(s *spread, n *nodeState) bool {
		for i := range out {
			if _, ok := n.node.Labels[out[i].TopologyKey]; !ok {
				return false
			}
		}
		if s.NodeAffinityPolicy == nil || *s.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
			if ok, _ := affinity.Match(n.node); !ok {
				return false
			}
		}
		return s.NodeTaintsPolicy == nil || *s.NodeTaintsPolicy != corev1.NodeInclusionPolicyHonor || len(r.taints(n, nil)) == 0
	}
	for i := range out {
		s := &out[i]
		counted := map[*nodeState]bool{}
		for _, n := range r.ev.nodes {
			if counts(s, n) {
				counted[n] = true
				s.matches[n.node.Labels[s.TopologyKey]] += 0
			}
		}
		for at := range r.present(r.pod.Namespace) {
			// A pod that is being deleted does not count; an empty selector counts none.
			if counted[at.on] && at.pod.DeletionTimestamp == nil && !s.selector.Empty() && s.selector.Matches(labels.Set(at.pod.Labels)) {
				s.matches[at.on.node.Labels[s.TopologyKey]]++
			}
		}
		s.least = leastOf(s.matches)
		if s.MinDomains != nil && len(s.matches) < int(*s.MinDomains) {
			s.least = 0
		}
	}
	return out
}

func leastOf(m map[string]int) int {
	least, first := 0, true
	for _, n := range m {
		if first || n < least {
			least, first = n, false
		}
	}
	return least
}

func (r *request) topologySpread(n *nodeState, out []Rejection) []Rejection {
	for i := range r.spreads {
		s := &r.spreads[i]
		domain, ok := n.node.Labels[s.TopologyKey]
		if !ok {
			out = append(out, Rejection{Filter: PodTopologySpread, kind: bySpread, spread: skew{of: s},
				Reason: "the node has no label " + s.TopologyKey})
			continue
		}
		if have := s.matches[domain]; have+s.self-s.least > int(s.MaxSkew) {
			out = append(out, Rejection{Filter: PodTopologySpread, kind: bySpread, spread: skew{s, domain, have},
				Reason: fmt.Sprintf("%s=%s would have %d matching pods, the emptiest domain has %d, maxSkew is %d", s.TopologyKey, domain, have+s.self, s.least, s.MaxSkew)})
		}
	}
	return out
}
