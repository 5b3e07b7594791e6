package reach_test

import (
	"math/rand/v2"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers/reach"
)

// The model reads the specification sentence by sentence, with no thought of speed, and
// where the specification leaves something open it tries every reading. It shares no code
// with the package.

// A reading settles what the specification leaves to the network plugin, and what the
// snapshot hides.
type reading struct {
	blockHoldsPods    bool // an ipBlock applies to addresses of pods
	blockHoldsNodes   bool // an ipBlock applies to addresses of nodes
	selectorsFindHost bool // selectors find pods of the host network
	strangerSelected  bool // selectors find the pod behind an unknown address of the pod network
	strangerNames     bool // that pod has the port by the name that a rule gives
	hidden            map[string]map[string]string
}

// An actor is one end of a connection in the model.
type actor struct {
	pod      *corev1.Pod
	ip       string
	node     string // of a node's address
	stranger bool   // an address of the pod network that no pod has
}

func (r reading) labelsMatch(sel *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range sel.MatchLabels {
		if have, exists := labels[k]; !exists || have != v {
			return false
		}
	}
	for _, e := range sel.MatchExpressions {
		have, exists := labels[e.Key]
		listed := false
		for _, v := range e.Values {
			if exists && v == have {
				listed = true
			}
		}
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			if !listed {
				return false
			}
		case metav1.LabelSelectorOpNotIn:
			if listed {
				return false
			}
		case metav1.LabelSelectorOpExists:
			if !exists {
				return false
			}
		case metav1.LabelSelectorOpDoesNotExist:
			if exists {
				return false
			}
		}
	}
	return true
}

// peer: "If PodSelector and NamespaceSelector are both set, the peer selects the pods
// matching podSelector in the namespaces selected by namespaceSelector …"
func (w *world) peer(r reading, p networkingv1.NetworkPolicyPeer, policyNamespace string, who actor) bool {
	if p.IPBlock != nil {
		_, block, err := net.ParseCIDR(p.IPBlock.CIDR)
		if err != nil || !block.Contains(net.ParseIP(who.ip)) {
			return false
		}
		for _, e := range p.IPBlock.Except {
			if _, except, err := net.ParseCIDR(e); err == nil && except.Contains(net.ParseIP(who.ip)) {
				return false
			}
		}
		isNode := who.node != "" || who.pod != nil && who.pod.Spec.HostNetwork
		isPod := who.stranger || who.pod != nil && !who.pod.Spec.HostNetwork
		if isNode && !r.blockHoldsNodes || isPod && !r.blockHoldsPods {
			return false
		}
		return true
	}
	if who.stranger {
		return r.strangerSelected
	}
	if who.pod == nil {
		return false
	}
	if who.pod.Spec.HostNetwork && !r.selectorsFindHost {
		return false
	}
	if p.NamespaceSelector == nil && who.pod.Namespace != policyNamespace {
		return false
	}
	if p.NamespaceSelector != nil && !r.labelsMatch(p.NamespaceSelector, w.namespaceLabels(r, who.pod.Namespace)) {
		return false
	}
	return p.PodSelector == nil || r.labelsMatch(p.PodSelector, who.pod.Labels)
}

func (w *world) namespaceLabels(r reading, name string) map[string]string {
	if l, ok := r.hidden[name]; ok {
		return l
	}
	return w.namespaces[name]
}

// port: "either a numerical or named port on a pod. If this field is not provided, this
// matches all port names and numbers"; endPort makes it a range.
func (r reading) port(p networkingv1.NetworkPolicyPort, dest actor, protocol corev1.Protocol, number int32) bool {
	want := corev1.ProtocolTCP
	if p.Protocol != nil {
		want = *p.Protocol
	}
	if want != protocol {
		return false
	}
	if p.Port == nil {
		return true
	}
	if p.Port.StrVal != "" {
		if dest.stranger {
			return r.strangerNames
		}
		if dest.pod == nil {
			return false
		}
		for _, c := range dest.pod.Spec.Containers {
			for _, cp := range c.Ports {
				if cp.Name == p.Port.StrVal && cp.Protocol == protocol {
					return cp.ContainerPort == number
				}
			}
		}
		return false
	}
	last := p.Port.IntVal
	if p.EndPort != nil {
		last = *p.EndPort
	}
	return number >= p.Port.IntVal && number <= last
}

// direction: "Traffic is allowed if there are no NetworkPolicies selecting the pod, OR if
// the traffic source is the pod's local node, OR if the traffic matches at least one rule
// across all of the NetworkPolicy objects whose podSelector matches the pod."
func (w *world) direction(r reading, ingress bool, self, other, dest actor, protocol corev1.Protocol, number int32) bool {
	if self.pod == nil || self.pod.Spec.HostNetwork {
		return true
	}
	if other.pod == self.pod {
		return true
	}
	if other.node != "" && other.node == self.pod.Spec.NodeName {
		return true
	}
	if other.pod != nil && other.pod.Spec.HostNetwork && other.pod.Spec.NodeName == self.pod.Spec.NodeName {
		return true
	}
	isolated := false
	for _, p := range w.policies {
		if p.Namespace != self.pod.Namespace || !r.labelsMatch(&p.Spec.PodSelector, self.pod.Labels) {
			continue
		}
		about := false
		for _, t := range p.Spec.PolicyTypes {
			if (t == networkingv1.PolicyTypeIngress) == ingress {
				about = true
			}
		}
		if len(p.Spec.PolicyTypes) == 0 {
			about = ingress || len(p.Spec.Egress) > 0
		}
		if !about {
			continue
		}
		isolated = true
		if ingress {
			for _, rule := range p.Spec.Ingress {
				if w.rule(r, rule.From, rule.Ports, p.Namespace, other, dest, protocol, number) {
					return true
				}
			}
		} else {
			for _, rule := range p.Spec.Egress {
				if w.rule(r, rule.To, rule.Ports, p.Namespace, other, dest, protocol, number) {
					return true
				}
			}
		}
	}
	return !isolated
}

func (w *world) rule(r reading, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, namespace string, who, dest actor, protocol corev1.Protocol, number int32) bool {
	peerOK, portOK := len(peers) == 0, len(ports) == 0
	for _, p := range peers {
		if w.peer(r, p, namespace, who) {
			peerOK = true
		}
	}
	for _, p := range ports {
		if r.port(p, dest, protocol, number) {
			portOK = true
		}
	}
	return peerOK && portOK
}

// answer tries all readings.
func (w *world) answer(from, to actor, protocol corev1.Protocol, number int32) reach.State {
	allowed, denied := false, false
	for _, r := range w.readings() {
		if w.direction(r, false, from, to, to, protocol, number) && w.direction(r, true, to, from, to, protocol, number) {
			allowed = true
		} else {
			denied = true
		}
	}
	switch {
	case allowed && denied:
		return reach.NotEvaluated
	case allowed:
		return reach.Allowed
	}
	return reach.Denied
}

func (w *world) readings() []reading {
	var out []reading
	both := []bool{false, true}
	pods := both
	nodes := both
	switch w.plugin {
	case "cilium":
		pods = []bool{false}
	case "calico-node":
		pods, nodes = []bool{true}, []bool{true}
	}
	hidden := []map[string]map[string]string{nil}
	for _, ns := range w.hidden {
		var next []map[string]map[string]string
		for _, team := range []string{"", "a", "b"} {
			for _, env := range []string{"", "a", "b"} {
				labels := map[string]string{"kubernetes.io/metadata.name": ns}
				if team != "" {
					labels["team"] = team
				}
				if env != "" {
					labels["env"] = env
				}
				next = append(next, map[string]map[string]string{ns: labels})
			}
		}
		hidden = next
	}
	for _, a := range pods {
		for _, b := range nodes {
			for _, c := range both {
				for _, d := range both {
					for _, e := range both {
						for _, h := range hidden {
							out = append(out, reading{a, b, c, d, e, h})
						}
					}
				}
			}
		}
	}
	return out
}

// TestAgainstModel compares the package with the model in random small worlds.
func TestAgainstModel(t *testing.T) {
	const worlds, questions = 2500, 12
	counts := map[reach.State]int{}
	for seed := range uint64(worlds) {
		w := newWorld(rand.New(rand.NewPCG(seed, 42)))
		s := w.snapshot()
		for range questions {
			from, to := w.actor(), w.actor()
			protocol, number := w.protocol(), w.number()
			want := w.answer(from, to, protocol, number)
			got, err := reach.Evaluate(s, w.endpoint(from), w.endpoint(to), reach.Ask{Number: number, Protocol: protocol})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			counts[got.State]++
			// With a hidden namespace two rules may exclude each other's doubt, which the
			// package does not follow up; it must not be surer than the model then.
			if got.State != want && (len(w.hidden) == 0 || got.State != reach.NotEvaluated) {
				t.Fatalf("seed %d: %s -> %s on %d/%s: got %s (%s), the model says %s\n%s", seed, w.name(from), w.name(to), number, protocol, got.State, got.Why, want, w)
			}
			w.checkFixes(t, s, seed, from, to, protocol, number, got)
		}
		w.services(t, s, seed, counts)
	}
	t.Logf("%v", counts)
	for _, state := range []reach.State{reach.Allowed, reach.Denied, reach.NotEvaluated} {
		if counts[state] < 1000 {
			t.Errorf("only %d answers are %s: the worlds are too much alike", counts[state], state)
		}
	}
}
