package reach

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Slip is how a rule misses what it was probably meant to allow.
type Slip string

const (
	ServicePort    Slip = "service-port"    // the Service's port in place of the pods'
	WrongProtocol  Slip = "protocol"        // the port with another protocol
	WrongPortName  Slip = "port-name"       // a name that no container declares
	WrongPort      Slip = "port"            // a port on which nothing is declared
	PodLabel       Slip = "pod-label"       // nearly the pod's labels
	OwnNamespace   Slip = "own-namespace"   // a podSelector alone means the policy's namespace
	NamespaceLabel Slip = "namespace-label" // a label that the namespace has not
	OneEntry       Slip = "one-entry"       // two selectors in one entry: both must match
	Subject        Slip = "subject"         // the policy's own podSelector misses the pod
	ServiceBlock   Slip = "service-address" // an ipBlock of Service addresses
	PodBlock       Slip = "pod-address"     // an ipBlock, with a plugin that knows pods by their labels alone
)

// A Near is a rule that was probably meant to allow a connection and does not.
type Near struct {
	Slip   Slip        `json:"slip"`
	Policy cluster.Ref `json:"policy"`
	Rule   *Rule       `json:"rule,omitempty"` // nil when it is the policy's podSelector
	// Text goes on after the policy's name: "allows port 80, the Service's, …".
	Text string `json:"text"`
	Fix  *Fix   `json:"fix,omitempty"`
}

// question is what a near miss is judged by.
type question struct {
	s                   *cluster.Snapshot
	d                   networkingv1.PolicyType
	subject, peer, dest party
	port                Port
}

// nearMisses finds rules that were probably meant: nothing but one slip keeps each from
// matching, and the slip shows in objects that exist. A rule that lets other clients in,
// or these to another port that is open, is no slip.
func nearMisses(s *cluster.Snapshot, d networkingv1.PolicyType, subject, peer, dest party, port Port, isolating []*networkingv1.NetworkPolicy) []Near {
	q := question{s, d, subject, peer, dest, port}
	var out []Near
	for _, p := range isolating {
		for _, r := range rulesOf(p, d) {
			if n, ok := q.byPort(r); ok {
				out = append(out, n)
			} else if n, ok := q.byPeers(r); ok {
				out = append(out, n)
			}
		}
	}
	return append(out, q.subjects()...)
}

func (q question) near(r rule, slip Slip, fix func(*networkingv1.NetworkPolicy), text, why string, args ...any) Near {
	n := Near{Slip: slip, Policy: cluster.RefOf(r.policy), Rule: &Rule{cluster.RefOf(r.policy), r.index, path(q.d, r.index)}, Text: fmt.Sprintf(text, args...)}
	if fix != nil {
		changed := r.policy.DeepCopy()
		fix(changed)
		n.Fix = patchOf(changed, q.d, why)
	}
	return n
}

// byPort finds a rule for this very peer that only names the port wrongly.
func (q question) byPort(r rule) (Near, bool) {
	if len(r.ports) == 0 || q.port.Number == 0 || portsMatch(r.ports, q.port, q.dest).truth != no || peersMatch(q.s, r.peers, r.policy.Namespace, q.peer).truth != yes {
		return Near{}, false
	}
	for i, p := range r.ports {
		if p.Port == nil || p.EndPort != nil {
			continue
		}
		protocol := protocolOf(p)
		same := protocol == protocolOr(q.port.Protocol)
		set := func(policy *networkingv1.NetworkPolicy) { setPorts(policy, q.d, r.index, i, portsFor(q.port)) }
		why := fmt.Sprintf("Let %s of %s allow %s, where the pods listen", path(q.d, r.index), r.policy.Name, q.port)
		switch {
		case same && p.Port.Type == intstr.Int && q.servicePort(p.Port.IntVal):
			return q.near(r, ServicePort, set, "allows port %d, the Service's, and its pods listen on %d", why, p.Port.IntVal, q.port.Number), true
		case !specific(r.peers):
			// A rule about everybody, such as one for DNS, is about another port on purpose.
		case !same && (p.Port.Type == intstr.Int && p.Port.IntVal == q.port.Number):
			return q.near(r, WrongProtocol, set, "allows %d/%s and not %s", why, p.Port.IntVal, protocol, q.port), true
		case p.Port.Type == intstr.String && q.dest.pod != nil && !declaresName(q.dest.pod, p.Port.StrVal):
			return q.near(r, WrongPortName, set, "allows the port named %s, which no container there declares", why, p.Port.StrVal), true
		case same && p.Port.Type == intstr.Int && q.strayPort(p.Port.IntVal):
			return q.near(r, WrongPort, set, "allows port %d, which no container there declares, and not %d", why, p.Port.IntVal, q.port.Number), true
		}
	}
	return Near{}, false
}

// services are those that may have led to the destination.
func (q question) services() []*corev1.Service {
	if q.dest.via != nil {
		return []*corev1.Service{q.dest.via}
	}
	if q.dest.pod == nil {
		return nil
	}
	var out []*corev1.Service
	for svc := range cluster.In[*corev1.Service](q.s, q.dest.namespace()) {
		if len(svc.Spec.Selector) > 0 && hasAll(q.dest.labels(), svc.Spec.Selector) {
			out = append(out, svc)
		}
	}
	return out
}

// servicePort reports whether a port is that of a Service which sends it to the port in
// question.
func (q question) servicePort(number int32) bool {
	if q.dest.pod == nil {
		return false
	}
	for _, svc := range q.services() {
		for _, p := range svc.Spec.Ports {
			to, ok := targetPort(q.s, svc, p, OfPod(q.dest.pod))
			if ok && p.Port == number && to == q.port.Number && protocolOr(p.Protocol) == protocolOr(q.port.Protocol) {
				return true
			}
		}
	}
	return false
}

// strayPort reports whether the pod declares the port in question and not this one.
func (q question) strayPort(number int32) bool {
	if q.dest.pod == nil {
		return false
	}
	declared := func(n int32) bool {
		return slices.ContainsFunc(containerPorts(q.dest.pod), func(p corev1.ContainerPort) bool { return p.ContainerPort == n })
	}
	return declared(q.port.Number) && !declared(number)
}

func declaresName(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(containerPorts(pod), func(p corev1.ContainerPort) bool { return p.Name == name })
}

// specific reports whether peers name somebody in particular.
func specific(peers []networkingv1.NetworkPolicyPeer) bool {
	return slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		return p.PodSelector != nil && !emptySelector(p.PodSelector) || p.NamespaceSelector != nil && !emptySelector(p.NamespaceSelector)
	})
}

// byPeers finds a rule for this very port that only names the peer wrongly.
func (q question) byPeers(r rule) (Near, bool) {
	if portsMatch(r.ports, q.port, q.dest).truth == no {
		return Near{}, false
	}
	for i := range r.peers {
		if n, ok := q.byPeer(r, i); ok {
			return n, true
		}
	}
	return Near{}, false
}

func (q question) byPeer(r rule, i int) (Near, bool) {
	peer := r.peers[i]
	change := func(f func(*networkingv1.NetworkPolicyPeer)) func(*networkingv1.NetworkPolicy) {
		return func(p *networkingv1.NetworkPolicy) { f(&rulesOf(p, q.d)[r.index].peers[i]) }
	}
	at := fmt.Sprintf("%s of %s", path(q.d, r.index), r.policy.Name)
	if peer.IPBlock != nil {
		set := change(func(p *networkingv1.NetworkPolicyPeer) { *p = peerFor(q.s, q.peer, r.policy.Namespace) })
		if q.peer.inPods {
			return Near{}, false
		}
		if plugin := Plugin(q.s); q.peer.selectable() && plugin.blocks == no && inBlock(peer.IPBlock, q.peer.ips) {
			return q.near(r, PodBlock, set, "allows %s, and %s knows pods by their labels, not their addresses", "Name the pods by their labels in "+at, peer.IPBlock.CIDR, plugin.Name), true
		}
		// A block that leaves out the pods means the world outside.
		if ip, ok := q.serviceAddress(peer.IPBlock); ok && !slices.ContainsFunc(q.peer.ips, func(ip netip.Addr) bool { return excepted(peer.IPBlock, ip) }) {
			// Plugins see the connection after it was translated ("ipBlock" on the page).
			return q.near(r, ServiceBlock, set,
				"allows %s, the Service's address, and not what is behind it", "Name what is behind the Service in "+at, ip), true
		}
		return Near{}, false
	}
	if !q.peer.selectable() {
		return Near{}, false
	}
	name := partyName(q.s, q.peer)
	pods := match{truth: yes}
	if peer.PodSelector != nil {
		pods = is(selects(peer.PodSelector, q.peer.labels()))
	}
	ns := is(q.peer.namespace() == r.policy.Namespace)
	if peer.NamespaceSelector != nil {
		ns = selectsNamespace(q.s, peer.NamespaceSelector, q.peer.namespace())
	}
	switch {
	case ns.truth == yes:
		if slip, ok := labelSlip(peer.PodSelector, q.peer.labels()); ok {
			return q.near(r, PodLabel, change(func(p *networkingv1.NetworkPolicyPeer) { slip.mend(p.PodSelector) }),
				"allows pods with %s, and %s has %s", fmt.Sprintf("Name the labels of %s in %s", name, at), slip.want, name, slip.have), true
		}
	case pods.truth != yes:
	case peer.NamespaceSelector == nil && !emptySelector(peer.PodSelector) && !q.matchesOwn(r, peer.PodSelector):
		return q.near(r, OwnNamespace, change(func(p *networkingv1.NetworkPolicyPeer) {
			p.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: q.peer.namespace()}}
		}), "allows pods with %s of its own namespace only, and %s is in %s", fmt.Sprintf("Name the namespace of %s in %s", name, at),
			selectorText(peer.PodSelector), name, q.peer.namespace()), true
	case peer.NamespaceSelector != nil && ns.truth == no:
		if slip, ok := namespaceSlip(q.s, peer.NamespaceSelector, q.peer.namespace()); ok {
			return q.near(r, NamespaceLabel, change(func(p *networkingv1.NetworkPolicyPeer) {
				p.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: q.peer.namespace()}}
			}), "allows namespaces with %s, and namespace %s has %s", fmt.Sprintf("Select namespace %s by its name in %s", q.peer.namespace(), at), slip.want, q.peer.namespace(), slip.have), true
		}
		if peer.PodSelector != nil && !emptySelector(peer.PodSelector) && q.peer.namespace() == r.policy.Namespace && q.nobody(peer) {
			return q.near(r, OneEntry, func(p *networkingv1.NetworkPolicy) { split(p, q.d, r.index, i) },
				"asks in one entry for a namespace with %s and a pod with %s, which nobody is", "Make two entries of the one in "+at+", so that either is enough",
				selectorText(peer.NamespaceSelector), selectorText(peer.PodSelector)), true
		}
	}
	return Near{}, false
}

// matchesOwn reports whether a selector finds pods in the policy's own namespace: then
// the rule is meant for those.
func (q question) matchesOwn(r rule, sel *metav1.LabelSelector) bool {
	for pod := range cluster.In[*corev1.Pod](q.s, r.policy.Namespace) {
		if selects(sel, pod.Labels) {
			return true
		}
	}
	return false
}

// nobody reports whether no pod matches both selectors of an entry.
func (q question) nobody(peer networkingv1.NetworkPolicyPeer) bool {
	if !q.s.Sees(cluster.Namespaces, "") || !q.s.Sees(cluster.Pods, "") {
		return false
	}
	some := false
	for ns := range cluster.All[*corev1.Namespace](q.s) {
		if selectsNamespace(q.s, peer.NamespaceSelector, ns.Name).truth == no {
			continue
		}
		some = true
		for pod := range cluster.In[*corev1.Pod](q.s, ns.Name) {
			if selects(peer.PodSelector, pod.Labels) {
				return false
			}
		}
	}
	return some
}

// split makes two entries of one, so that either selector is enough.
func split(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType, index, i int) {
	cut := func(peers []networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
		both := peers[i]
		peers[i] = networkingv1.NetworkPolicyPeer{NamespaceSelector: both.NamespaceSelector}
		return slices.Insert(peers, i+1, networkingv1.NetworkPolicyPeer{PodSelector: both.PodSelector})
	}
	if d == networkingv1.PolicyTypeIngress {
		p.Spec.Ingress[index].From = cut(p.Spec.Ingress[index].From)
		return
	}
	p.Spec.Egress[index].To = cut(p.Spec.Egress[index].To)
}

// serviceAddress is the address, inside a block, of a Service that leads to the peer.
func (q question) serviceAddress(block *networkingv1.IPBlock) (netip.Addr, bool) {
	if q.d != networkingv1.PolicyTypeEgress {
		return netip.Addr{}, false
	}
	for _, svc := range q.services() {
		for _, text := range append([]string{svc.Spec.ClusterIP}, svc.Spec.ClusterIPs...) {
			if ip, err := netip.ParseAddr(text); err == nil && inBlock(block, []netip.Addr{ip}) {
				return ip, true
			}
		}
	}
	return netip.Addr{}, false
}

// subjects finds policies that would allow the connection and select no pod at all,
// because their own podSelector has a slip.
func (q question) subjects() []Near {
	var out []Near
	for p := range cluster.In[*networkingv1.NetworkPolicy](q.s, q.subject.namespace()) {
		if !Affects(p, q.d) || selects(&p.Spec.PodSelector, q.subject.labels()) {
			continue
		}
		slip, ok := labelSlip(&p.Spec.PodSelector, q.subject.labels())
		if !ok || q.matchesOwn(rule{policy: p}, &p.Spec.PodSelector) {
			continue
		}
		for _, r := range rulesOf(p, q.d) {
			if portsMatch(r.ports, q.port, q.dest).and(peersMatch(q.s, r.peers, p.Namespace, q.peer)).truth != yes {
				continue
			}
			changed := p.DeepCopy()
			slip.mend(&changed.Spec.PodSelector)
			name := partyName(q.s, q.subject)
			sel := map[string]any{"matchLabels": slip.patch(&p.Spec.PodSelector)}
			out = append(out, Near{
				Slip: Subject, Policy: cluster.RefOf(p), Text: fmt.Sprintf("selects %s, and %s has %s", slip.want, name, slip.have),
				Fix: fixOf(cluster.RefOf(p), map[string]any{"spec": map[string]any{"podSelector": sel}}, fmt.Sprintf("Let %s select the pods of %s", p.Name, name)),
			})
			break
		}
	}
	return out
}
