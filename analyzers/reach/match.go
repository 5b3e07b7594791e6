package reach

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Port is where a connection goes, as the pods see it: after a Service has translated it.
type Port struct {
	Protocol corev1.Protocol `json:"protocol"`
	Number   int32           `json:"port,omitempty"` // 0: any; what depends on it is not evaluated
}

func (p Port) String() string {
	if p.Number == 0 {
		return "any " + string(protocolOr(p.Protocol)) + " port"
	}
	return fmt.Sprintf("%d/%s", p.Number, protocolOr(p.Protocol))
}

// selects reports whether a selector matches labels. One that the API server would not
// have taken matches nothing.
func selects(sel *metav1.LabelSelector, set map[string]string) bool {
	if emptySelector(sel) {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(sel)
	return err == nil && parsed.Matches(labels.Set(set))
}

// selectsNamespace is selects for the labels of a namespace that may not be readable:
// then only what its name decides is known.
func selectsNamespace(s *cluster.Snapshot, sel *metav1.LabelSelector, name string) match {
	set, sure := namespaceLabels(s, name)
	if sure {
		return is(selects(sel, set))
	}
	parsed, err := metav1.LabelSelectorAsSelector(sel)
	if err != nil {
		return is(false)
	}
	requirements, _ := parsed.Requirements()
	m := is(true)
	for _, r := range requirements {
		if r.Key() == nameLabel {
			m = m.and(is(r.Matches(labels.Set(set))))
		} else {
			m = m.and(unsure(fmt.Sprintf("the labels of namespace %s could not be read, and its label %s decides", name, r.Key())))
		}
	}
	return m
}

// portsMatch tells whether a rule's ports let a connection through to dest, whose
// containers give named ports their numbers. No ports means all.
func portsMatch(ports []networkingv1.NetworkPolicyPort, port Port, dest party) match {
	if len(ports) == 0 {
		return is(true)
	}
	m := is(false)
	for _, p := range ports {
		m = m.or(portMatches(p, port, dest))
	}
	return m
}

func portMatches(p networkingv1.NetworkPolicyPort, port Port, dest party) match {
	protocol := corev1.ProtocolTCP
	if p.Protocol != nil {
		protocol = protocolOr(*p.Protocol)
	}
	switch {
	case protocol != protocolOr(port.Protocol):
		return is(false)
	case p.Port == nil:
		return is(true)
	case port.Number == 0:
		return unsure("the rules depend on the port")
	case p.Port.Type == intstr.String:
		if dest.inPods {
			return unsure(fmt.Sprintf("the ports of the pod with the address %s are not known", dest.ips[0]))
		}
		if dest.pod == nil {
			return is(false) // a name stands for a port of a pod
		}
		n, ok := namedPort(dest.pod, p.Port.StrVal, protocol)
		return is(ok && n == port.Number)
	case p.EndPort != nil:
		return is(p.Port.IntVal <= port.Number && port.Number <= *p.EndPort)
	}
	return is(p.Port.IntVal == port.Number)
}

// peersMatch tells whether one of a rule's peers is the party. No peers means everybody.
func peersMatch(s *cluster.Snapshot, peers []networkingv1.NetworkPolicyPeer, namespace string, who party) match {
	if len(peers) == 0 {
		return is(true)
	}
	m := is(false)
	for i := range peers {
		m = m.or(peerMatches(s, &peers[i], namespace, who))
	}
	return m
}

func peerMatches(s *cluster.Snapshot, peer *networkingv1.NetworkPolicyPeer, namespace string, who party) match {
	if peer.IPBlock != nil {
		return blockMatches(s, peer.IPBlock, who)
	}
	if peer.PodSelector == nil && peer.NamespaceSelector == nil {
		return is(false) // the API server takes no such peer
	}
	if who.pod == nil {
		if who.inPods {
			return unsure(fmt.Sprintf("%s is an address of the pod network, and no pod that was read has it", who.ips[0]))
		}
		return is(false)
	}
	m := is(true)
	switch {
	case peer.NamespaceSelector != nil:
		m = selectsNamespace(s, peer.NamespaceSelector, who.namespace())
	case who.namespace() != namespace:
		return is(false)
	}
	if peer.PodSelector != nil {
		m = m.and(is(selects(peer.PodSelector, who.labels())))
	}
	if who.hostNetwork { // the page calls it undefined whether selectors find such pods
		m = m.and(unsure(fmt.Sprintf("%s uses the host network, and whether selectors apply to it depends on the network plugin", who.ref)))
	}
	return m
}

// blockMatches tells whether an ipBlock holds the party. "These should be cluster-external
// IPs": for pods and nodes plugins differ. Cilium gives both an identity and never matches
// them by address (https://docs.cilium.io/en/stable/security/policy/layer3/, "IP/CIDR based").
func blockMatches(s *cluster.Snapshot, block *networkingv1.IPBlock, who party) match {
	if who.host != "" {
		if cidr, err := parseCIDR(block.CIDR); err == nil && cidr.Bits() == 0 && len(block.Except) == 0 {
			return is(true)
		}
		return unsure(fmt.Sprintf("the address of %s is not known, and ipBlock %s may hold it", who.host, block.CIDR))
	}
	if !inBlock(block, who.ips) {
		if len(who.ips) == 0 {
			return unsure(fmt.Sprintf("%s has no address yet, and an ipBlock may hold the one that it gets", who.ref))
		}
		return is(false)
	}
	plugin := Plugin(s)
	switch {
	case who.pod == nil && who.ref.Kind != "Node" && !who.inPods:
		return is(true)
	case who.hostNetwork || who.ref.Kind == "Node":
		if plugin.blocks == no || plugin.blocks == unknown {
			return unsure(fmt.Sprintf("ipBlock %s holds the node's address, and whether an ipBlock applies to nodes depends on the network plugin", block.CIDR))
		}
	case plugin.blocks == no:
		return is(false)
	case plugin.blocks == unknown:
		return unsure(fmt.Sprintf("ipBlock %s holds the pod's address, and whether an ipBlock applies to pods depends on the network plugin", block.CIDR))
	}
	return is(true)
}

func inBlock(block *networkingv1.IPBlock, ips []netip.Addr) bool {
	cidr, err := parseCIDR(block.CIDR)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if cidr.Contains(ip) && !excepted(block, ip) {
			return true
		}
	}
	return false
}

func excepted(block *networkingv1.IPBlock, ip netip.Addr) bool {
	for _, except := range block.Except {
		if p, err := parseCIDR(except); err == nil && p.Contains(ip) {
			return true
		}
	}
	return false
}

func parseCIDR(text string) (netip.Prefix, error) { return netip.ParsePrefix(strings.TrimSpace(text)) }
