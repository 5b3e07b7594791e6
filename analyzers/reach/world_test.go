package reach_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// A world is a random small cluster: few labels, addresses and ports, so that rules meet.
type world struct {
	*rand.Rand
	namespaces map[string]map[string]string
	hidden     []string // namespaces whose labels the snapshot does not have
	pods       []*corev1.Pod
	nodes      []*corev1.Node
	policies   []*networkingv1.NetworkPolicy
	svcs       []*corev1.Service
	plugin     string
}

var spaces = []string{"x", "y", "z"}

func newWorld(r *rand.Rand) *world {
	w := &world{Rand: r, namespaces: map[string]map[string]string{}}
	for _, name := range spaces {
		w.namespaces[name] = w.labels("team", "env")
		w.namespaces[name]["kubernetes.io/metadata.name"] = name
	}
	if w.IntN(5) == 0 {
		w.hidden = []string{pick(w, spaces)}
	}
	if w.IntN(3) == 0 {
		w.plugin = pick(w, []string{"cilium", "calico-node"})
	}
	for i := range 2 {
		name := fmt.Sprintf("n%d", i)
		w.nodes = append(w.nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: []string{fmt.Sprintf("10.0.%d.0/24", i)}},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.0.%d", i+1)}}},
		})
	}
	for i := range 3 + w.IntN(3) {
		w.addPod(i)
	}
	for i := range 1 + w.IntN(5) {
		w.addPolicy(i)
	}
	for i := range 2 {
		w.addService(i)
	}
	return w
}

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

func (w *world) labels(keys ...string) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		if v := w.IntN(3); v > 0 {
			out[k] = string(rune('a' + v - 1))
		}
	}
	return out
}

func (w *world) protocol() corev1.Protocol {
	return pick(w, []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP})
}

func (w *world) number() int32 { return pick(w, []int32{80, 81, 82, 90}) }

func (w *world) addPod(i int) {
	node := w.IntN(2)
	name := fmt.Sprintf("p%d", i)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pick(w, spaces), Name: name, UID: types.UID(name), Labels: w.labels("app", "tier")}}
	pod.Spec.NodeName = fmt.Sprintf("n%d", node)
	pod.Status.PodIP = fmt.Sprintf("10.0.%d.%d", node, i+1)
	if w.IntN(6) == 0 {
		pod.Spec.HostNetwork, pod.Status.PodIP = true, fmt.Sprintf("192.168.0.%d", node+1)
	}
	var ports []corev1.ContainerPort
	for _, n := range []string{"web", "admin"} {
		if w.IntN(2) == 0 {
			ports = append(ports, corev1.ContainerPort{Name: n, ContainerPort: w.number(), Protocol: w.protocol()})
		}
	}
	pod.Spec.Containers = []corev1.Container{{Name: "c", Ports: ports}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.pods = append(w.pods, pod)
}

func (w *world) addService(i int) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: pick(w, spaces), Name: fmt.Sprintf("s%d", i)}}
	svc.Spec.Selector = map[string]string{"app": pick(w, []string{"a", "b"})}
	svc.Spec.ClusterIP = fmt.Sprintf("10.96.0.%d", i+1)
	target := intstr.FromInt32(w.number())
	if w.IntN(2) == 0 {
		target = intstr.FromString(pick(w, []string{"web", "admin"}))
	}
	svc.Spec.Ports = []corev1.ServicePort{{Port: 8000, Protocol: w.protocol(), TargetPort: target}}
	w.svcs = append(w.svcs, svc)
}

func (w *world) selector(keys ...string) *metav1.LabelSelector {
	sel := &metav1.LabelSelector{}
	switch w.IntN(6) {
	case 0:
		return sel
	case 1, 2, 3:
		sel.MatchLabels = w.labels(keys...)
		return sel
	}
	op := pick(w, []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist})
	e := metav1.LabelSelectorRequirement{Key: pick(w, keys), Operator: op}
	if op == metav1.LabelSelectorOpIn || op == metav1.LabelSelectorOpNotIn {
		e.Values = pick(w, [][]string{{"a"}, {"b"}, {"a", "b"}})
	}
	sel.MatchExpressions = []metav1.LabelSelectorRequirement{e}
	return sel
}

func (w *world) peers() []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	if w.IntN(2) == 0 {
		out = []networkingv1.NetworkPolicyPeer{} // no list and an empty one mean the same
	}
	for range pick(w, []int{0, 1, 1, 2, 2}) {
		p := networkingv1.NetworkPolicyPeer{}
		switch w.IntN(5) {
		case 0:
			p.PodSelector = w.selector("app", "tier")
		case 1:
			p.NamespaceSelector = w.selector("team", "env")
		case 2:
			p.NamespaceSelector, p.PodSelector = w.selector("team", "env"), w.selector("app", "tier")
		case 3:
			p.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": pick(w, spaces)}}
		default:
			p.IPBlock = &networkingv1.IPBlock{CIDR: pick(w, []string{"0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "192.168.0.0/24", "203.0.113.0/24"})}
			if w.IntN(2) == 0 {
				p.IPBlock.Except = []string{pick(w, []string{"10.0.0.0/30", "192.168.0.1/32", "203.0.113.0/28"})}
			}
		}
		out = append(out, p)
	}
	return out
}

func (w *world) rulePorts() []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	if w.IntN(2) == 0 {
		out = []networkingv1.NetworkPolicyPort{}
	}
	for range w.IntN(3) {
		p := networkingv1.NetworkPolicyPort{}
		if w.IntN(2) == 0 {
			protocol := w.protocol()
			p.Protocol = &protocol
		}
		switch w.IntN(4) {
		case 0:
		case 1:
			name := intstr.FromString(pick(w, []string{"web", "admin"}))
			p.Port = &name
		case 2:
			number := intstr.FromInt32(80)
			end := pick(w, []int32{80, 82})
			p.Port, p.EndPort = &number, &end
		default:
			number := intstr.FromInt32(w.number())
			p.Port = &number
		}
		out = append(out, p)
	}
	return out
}

func (w *world) addPolicy(i int) {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: pick(w, spaces), Name: fmt.Sprintf("np%d", i)}}
	p.Spec.PodSelector = *w.selector("app", "tier")
	p.Spec.PolicyTypes = pick(w, [][]networkingv1.PolicyType{nil, {networkingv1.PolicyTypeIngress}, {networkingv1.PolicyTypeEgress}, {networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}})
	for range w.IntN(2) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: w.peers(), Ports: w.rulePorts()})
	}
	for range w.IntN(2) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: w.peers(), Ports: w.rulePorts()})
	}
	w.policies = append(w.policies, p)
}

// actor picks an end: mostly a pod, else an address outside, of a node, or of the pod
// network without a pod.
func (w *world) actor() actor {
	switch w.IntN(8) {
	case 0:
		return actor{ip: pick(w, []string{"203.0.113.5", "203.0.113.77", "198.51.100.1"})}
	case 1:
		n := w.IntN(2)
		return actor{ip: fmt.Sprintf("192.168.0.%d", n+1), node: fmt.Sprintf("n%d", n)}
	case 2:
		return actor{ip: "10.0.1.200", stranger: true}
	}
	return w.actorOf(pick(w, w.pods))
}

func (w *world) actorOf(pod *corev1.Pod) actor { return actor{pod: pod, ip: pod.Status.PodIP} }

func (w *world) endpoint(a actor) reach.Endpoint {
	switch {
	case a.pod != nil:
		return reach.OfPod(a.pod)
	case a.node != "":
		return reach.Endpoint{Ref: cluster.Ref{APIVersion: "v1", Kind: "Node", Name: a.node}, IP: netip.MustParseAddr(a.ip)}
	}
	return reach.Endpoint{IP: netip.MustParseAddr(a.ip)}
}

func (w *world) name(a actor) string {
	if a.pod != nil {
		return a.pod.Namespace + "/" + a.pod.Name
	}
	return a.ip
}

func (w *world) snapshot() *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{Context: "test", Version: "v1.37.2"})
	for name, labels := range w.namespaces {
		if len(w.hidden) == 0 || w.hidden[0] != name {
			b.Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
		}
	}
	for _, o := range w.pods {
		b.Add(o)
	}
	for _, o := range w.nodes {
		b.Add(o)
	}
	for _, o := range w.policies {
		b.Add(o)
	}
	for _, o := range w.svcs {
		b.Add(o)
	}
	if w.plugin != "" {
		b.Add(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: w.plugin}})
	}
	for _, k := range cluster.Kinds() {
		if k.GroupKind() != cluster.EndpointSlices { // then the Service's selector tells its pods
			b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
		}
	}
	return b.Build()
}

func (w *world) String() string {
	out := fmt.Sprintf("namespaces %v, hidden %v, plugin %q\n", w.namespaces, w.hidden, w.plugin)
	for _, p := range w.pods {
		out += fmt.Sprintf("pod %s/%s %v %s on %s host %t ports %v\n", p.Namespace, p.Name, p.Labels, p.Status.PodIP, p.Spec.NodeName, p.Spec.HostNetwork, p.Spec.Containers[0].Ports)
	}
	for _, p := range w.policies {
		data, _ := yaml.Marshal(p.Spec)
		out += fmt.Sprintf("policy %s/%s\n%s\n", p.Namespace, p.Name, data)
	}
	return out
}
