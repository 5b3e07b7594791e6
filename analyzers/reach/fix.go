package reach

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Fix is a change of the policies that lets one direction of a connection through: a
// patch of a policy that exists, or a policy to add.
type Fix struct {
	Why    string                      `json:"why"`
	Target cluster.Ref                 `json:"target"`          // the policy, or what else is to be changed
	Patch  json.RawMessage             `json:"patch,omitempty"` // merge patch of Target
	New    *networkingv1.NetworkPolicy `json:"new,omitempty"`   // Target, when it is to be added
}

// missing is the smallest rule that would allow the connection. It goes into a policy
// that is about these pods in particular; where only policies about whole namespaces
// isolate the pod, it gets a policy of its own, as it would open too much in them.
func missing(s *cluster.Snapshot, d networkingv1.PolicyType, subject, peer party, port Port, isolating []*networkingv1.NetworkPolicy, near []Near) *Fix {
	if peer.inPods || peer.host != "" {
		return nil // nobody knows the labels or addresses that would have to be named
	}
	peers, ports := []networkingv1.NetworkPolicyPeer{peerFor(s, peer, subject.namespace())}, portsFor(port)
	into := func(p *networkingv1.NetworkPolicy) bool {
		return !emptySelector(&p.Spec.PodSelector) && len(rulesOf(p, d)) > 0
	}
	best := slices.IndexFunc(isolating, func(p *networkingv1.NetworkPolicy) bool {
		return into(p) && len(near) > 0 && near[0].Rule != nil && near[0].Rule.Policy.Name == p.Name
	})
	if best < 0 {
		best = slices.IndexFunc(isolating, into)
	}
	on := port.String()
	if len(ports) > 1 {
		on = fmt.Sprintf("port %d", port.Number)
	}
	what := fmt.Sprintf("%s %s %s on %s", flow(d), map[networkingv1.PolicyType]string{networkingv1.PolicyTypeIngress: "from", networkingv1.PolicyTypeEgress: "to"}[d], partyName(s, peer), on)
	if best >= 0 {
		p := isolating[best].DeepCopy()
		addRule(&p.Spec, d, peers, ports)
		return patchOf(p, d, fmt.Sprintf("Add a rule for %s to %s", what, cluster.RefOf(p).Name))
	}
	p := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: subject.namespace(), Name: newName(s, d, subject, peer)},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: stableLabels(s, subject)},
			PolicyTypes: []networkingv1.PolicyType{d},
		},
	}
	addRule(&p.Spec, d, peers, ports)
	return &Fix{Why: fmt.Sprintf("Add a policy that allows %s the %s", partyName(s, subject), what), Target: cluster.RefOf(p), New: p}
}

func addRule(spec *networkingv1.NetworkPolicySpec, d networkingv1.PolicyType, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
	if d == networkingv1.PolicyTypeIngress {
		spec.Ingress = append(spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports})
		return
	}
	spec.Egress = append(spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers, Ports: ports})
}

// patchOf makes a Fix of a policy as it should be. Lists are replaced as a whole.
func patchOf(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType, why string) *Fix {
	var list any = p.Spec.Egress
	if d == networkingv1.PolicyTypeIngress {
		list = p.Spec.Ingress
	}
	return fixOf(cluster.RefOf(p), map[string]any{"spec": map[string]any{flow(d): list}}, why)
}

func fixOf(target cluster.Ref, patch any, why string) *Fix {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil
	}
	return &Fix{Why: why, Target: target, Patch: data}
}

func portsFor(port Port) []networkingv1.NetworkPolicyPort {
	if port.Number == 0 {
		return nil
	}
	number := intstr.FromInt32(port.Number)
	protocols := []corev1.Protocol{protocolOr(port.Protocol)}
	if port.Number == 53 { // resolvers ask by UDP, and by TCP when the answer is long
		protocols = []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP}
	}
	var out []networkingv1.NetworkPolicyPort
	for i := range protocols {
		out = append(out, networkingv1.NetworkPolicyPort{Protocol: &protocols[i], Port: &number})
	}
	return out
}

// setPorts replaces one entry of a rule's ports.
func setPorts(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType, index, entry int, with []networkingv1.NetworkPolicyPort) {
	if d == networkingv1.PolicyTypeIngress {
		p.Spec.Ingress[index].Ports = slices.Replace(p.Spec.Ingress[index].Ports, entry, entry+1, with...)
		return
	}
	p.Spec.Egress[index].Ports = slices.Replace(p.Spec.Egress[index].Ports, entry, entry+1, with...)
}

// peerFor names a party in a rule of a policy of namespace.
func peerFor(s *cluster.Snapshot, p party, namespace string) networkingv1.NetworkPolicyPeer {
	if !p.selectable() { // pods of the host network come from, and are, their node's address
		if len(p.ips) == 0 {
			return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "<address of " + p.ref.Name + ">"}}
		}
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: netip.PrefixFrom(p.ips[0], p.ips[0].BitLen()).String()}}
	}
	peer := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: stableLabels(s, p)}}
	if p.namespace() != namespace {
		peer.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: p.namespace()}}
	}
	return peer
}

// passing are labels that differ between the pods or revisions of one workload.
var passing = []string{
	appsv1.DefaultDeploymentUniqueLabelKey, appsv1.ControllerRevisionHashLabelKey, appsv1.StatefulSetPodNameLabel, appsv1.PodIndexLabel,
	"pod-template-generation", batchv1.JobNameLabel, "job-name", batchv1.ControllerUidLabel, "controller-uid", batchv1.JobCompletionIndexAnnotation,
}

// stableLabels name the pods of a workload: its own selector, else what labels of the pod
// will be those of the next one.
func stableLabels(s *cluster.Snapshot, p party) map[string]string {
	if sel := workloadSelector(s.RootObject(p.pod)); len(sel) > 0 && hasAll(p.labels(), sel) {
		return sel
	}
	out := map[string]string{}
	for k, v := range p.labels() {
		if !slices.Contains(passing, k) {
			out[k] = v
		}
	}
	return out
}

func workloadSelector(o cluster.Object) map[string]string {
	var sel *metav1.LabelSelector
	switch o := o.(type) {
	case *appsv1.Deployment:
		sel = o.Spec.Selector
	case *appsv1.StatefulSet:
		sel = o.Spec.Selector
	case *appsv1.DaemonSet:
		sel = o.Spec.Selector
	case *appsv1.ReplicaSet:
		sel = o.Spec.Selector
	}
	if sel == nil || len(sel.MatchExpressions) > 0 {
		return nil
	}
	return sel.MatchLabels
}

// partyName names a party by its workload.
func partyName(s *cluster.Snapshot, p party) string {
	switch {
	case p.host != "":
		return p.host
	case p.pod == nil:
		return p.ips[0].String()
	}
	root := p.ref
	if p.pod.UID != "" {
		root = s.Root(p.pod)
	}
	return root.Kind + " " + root.Name
}

func newName(s *cluster.Snapshot, d networkingv1.PolicyType, subject, peer party) string {
	from, to := peer, subject
	if d == networkingv1.PolicyTypeEgress {
		from, to = subject, peer
	}
	short := func(p party) string {
		if p.pod == nil {
			return strings.Trim(strings.NewReplacer(".", "-", ":", "-").Replace(p.ips[0].String()), "-")
		}
		name := partyName(s, p)
		return name[strings.IndexByte(name, ' ')+1:]
	}
	name := "allow-" + short(from) + "-to-" + short(to)
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-.")
	}
	if _, taken := cluster.Find[*networkingv1.NetworkPolicy](s, subject.namespace(), name); taken {
		name = strings.TrimRight(name[:min(len(name), 55)], "-.") + "-" + flow(d)
	}
	return name
}

func protocolOf(p networkingv1.NetworkPolicyPort) corev1.Protocol {
	if p.Protocol == nil {
		return corev1.ProtocolTCP
	}
	return protocolOr(*p.Protocol)
}
