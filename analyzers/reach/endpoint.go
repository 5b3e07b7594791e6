package reach

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// An Endpoint is one end of a connection: exactly one of Pod, Service, IP and Host is set.
type Endpoint struct {
	// Ref is the object that was named: a Pod, a Service, a Node, or the workload that
	// Pod belongs to. It is zero for an address of nothing in the Snapshot. With IP it
	// may be a Pod that the Snapshot does not hold.
	Ref     cluster.Ref
	Pod     *corev1.Pod // of a workload without pods: what its template would make
	Service *corev1.Service
	IP      netip.Addr
	Host    string // a name outside the cluster, whose addresses are not known
}

// OfPod is the end that a pod is.
func OfPod(pod *corev1.Pod) Endpoint { return Endpoint{Ref: cluster.RefOf(pod), Pod: pod} }

// OfService is the end that a Service is: its pods, behind its address.
func OfService(svc *corev1.Service) Endpoint {
	return Endpoint{Ref: cluster.RefOf(svc), Service: svc}
}

// Of is the end that an object is; ok is false for one that has neither pods nor address.
func Of(s *cluster.Snapshot, o cluster.Object) (Endpoint, bool) {
	switch o := o.(type) {
	case *corev1.Pod:
		return OfPod(o), true
	case *corev1.Service:
		return OfService(o), true
	case *corev1.Node:
		for _, a := range o.Status.Addresses {
			if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP {
				return Endpoint{Ref: cluster.RefOf(o), IP: ip.Unmap()}, true
			}
		}
		return Endpoint{}, false
	}
	return OfWorkload(s, o)
}

// OfWorkload is one pod of a workload, as policies do not tell pods of one template
// apart: a ready one, else any that has not ended, else what the template would make. ok
// is false for an object that has no pods.
func OfWorkload(s *cluster.Snapshot, workload cluster.Object) (Endpoint, bool) {
	template, ok := cluster.Template(workload)
	if !ok {
		return Endpoint{}, false
	}
	var pod *corev1.Pod
	for _, p := range s.PodsOf(workload) {
		if !cluster.PodFinished(p) && (pod == nil || cluster.PodReady(p) && !cluster.PodReady(pod)) {
			pod = p
		}
	}
	if pod == nil {
		pod = &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
		pod.Namespace, pod.Name = workload.GetNamespace(), workload.GetName()
		pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	}
	return Endpoint{Ref: cluster.RefOf(workload), Pod: pod}, true
}

// OfIP is the end that an address is: a Service, a pod, a node, or somebody outside.
func OfIP(s *cluster.Snapshot, ip netip.Addr) Endpoint {
	ip = ip.Unmap()
	d := s.Dependency("", cluster.Address{Host: ip.String()})
	switch {
	case d.Pod != nil:
		return OfPod(d.Pod)
	case d.Service != nil:
		return OfService(d.Service)
	}
	e := Endpoint{IP: ip}
	if node := nodeWith(s, ip); node != nil {
		e.Ref = cluster.RefOf(node)
	}
	return e
}

// String is the end as people name it.
func (e Endpoint) String() string {
	switch {
	case e.IP.IsValid() && !e.Ref.IsZero():
		return e.IP.String() + " (" + e.Ref.String() + ")"
	case e.IP.IsValid():
		return e.IP.String()
	case e.Host != "":
		return e.Host
	}
	return e.Ref.String()
}

func nodeWith(s *cluster.Snapshot, ip netip.Addr) *corev1.Node {
	nodes := cluster.Derive(s, "reach.nodes", func() map[string]*corev1.Node {
		out := map[string]*corev1.Node{}
		for node := range cluster.All[*corev1.Node](s) {
			for _, a := range node.Status.Addresses {
				if parsed, err := netip.ParseAddr(a.Address); err == nil && out[parsed.Unmap().String()] == nil {
					out[parsed.Unmap().String()] = node
				}
			}
		}
		return out
	})
	return nodes[ip.String()]
}

// podNetwork reports whether an address lies in the part of the pod network that a node
// gives to its pods.
func podNetwork(s *cluster.Snapshot, ip netip.Addr) bool {
	ranges := cluster.Derive(s, "reach.podNetwork", func() []netip.Prefix {
		var out []netip.Prefix
		for node := range cluster.All[*corev1.Node](s) {
			for _, cidr := range append(slices.Clone(node.Spec.PodCIDRs), node.Spec.PodCIDR) {
				if p, err := netip.ParsePrefix(cidr); err == nil {
					out = append(out, p)
				}
			}
		}
		return out
	})
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// A party is one end as policies see it, after all translation.
type party struct {
	ref         cluster.Ref // the Pod or Node; zero outside the cluster
	pod         *corev1.Pod // nil for an address
	hostNetwork bool
	node        string // where it runs, or which node it is
	ips         []netip.Addr
	inPods      bool // the address of a pod that is not in the Snapshot
	host        string
	via         *corev1.Service // that led to it
}

func partyOf(s *cluster.Snapshot, e Endpoint) party {
	if e.Host != "" {
		return party{host: e.Host}
	}
	if e.Pod == nil {
		p := party{ref: e.Ref, ips: []netip.Addr{e.IP}}
		switch e.Ref.Kind {
		case "Node":
			p.node = e.Ref.Name
		case "Pod":
			p.inPods = true
		default:
			p.inPods = podNetwork(s, e.IP)
		}
		return p
	}
	p := party{ref: cluster.RefOf(e.Pod), pod: e.Pod, hostNetwork: e.Pod.Spec.HostNetwork, node: e.Pod.Spec.NodeName}
	if e.Ref.Kind != "Pod" && e.Pod.UID == "" { // made up
		p.ref = e.Ref
	}
	for _, ip := range append(slices.Clone(e.Pod.Status.PodIPs), corev1.PodIP{IP: e.Pod.Status.PodIP}) {
		if parsed, err := netip.ParseAddr(ip.IP); err == nil && !slices.Contains(p.ips, parsed.Unmap()) {
			p.ips = append(p.ips, parsed.Unmap())
		}
	}
	return p
}

func (p party) labels() map[string]string {
	if p.pod == nil {
		return nil
	}
	return p.pod.Labels
}

func (p party) namespace() string {
	if p.pod == nil {
		return ""
	}
	return p.pod.Namespace
}

// selectable reports whether policies can select the party as a pod. Those of the host
// network are the node to most plugins ("NetworkPolicy and hostNetwork pods" of the page).
func (p party) selectable() bool { return p.pod != nil && !p.hostNetwork }

// same reports whether both are one pod, which no policy cuts off from itself.
func (p party) same(other party) bool {
	return p.pod != nil && other.pod != nil && p.ref.Is(other.ref)
}

// nodeOf reports whether p is the node that a pod runs on, or shares its network.
func (p party) nodeOf(pod party) bool {
	return p.node != "" && p.node == pod.node && (p.hostNetwork || p.ref.Kind == "Node")
}

// namedPort returns the number of a container's port by name and protocol, in the order
// in which a Service finds it (k8s.io/endpointslice utils.go, FindPort).
func namedPort(pod *corev1.Pod, name string, protocol corev1.Protocol) (int32, bool) {
	for _, p := range containerPorts(pod) {
		if p.Name == name && protocolOr(p.Protocol) == protocol {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// containerPorts are the ports that containers, then sidecars, declare.
func containerPorts(pod *corev1.Pod) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, c := range pod.Spec.Containers {
		out = append(out, c.Ports...)
	}
	for _, c := range pod.Spec.InitContainers {
		if cluster.IsSidecar(&c) {
			out = append(out, c.Ports...)
		}
	}
	return out
}

func protocolOr(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// nameLabel is on every namespace (k8s.io/kubernetes pkg/apis/core/v1/defaults.go,
// SetDefaults_Namespace).
const nameLabel = corev1.LabelMetadataName

// namespaceLabels are the labels of a namespace; sure is false when only the one that
// says its name is known.
func namespaceLabels(s *cluster.Snapshot, name string) (labels map[string]string, sure bool) {
	ns, ok := cluster.Find[*corev1.Namespace](s, "", name)
	if !ok {
		return map[string]string{nameLabel: name}, false
	}
	if ns.Labels[nameLabel] == name {
		return ns.Labels, true
	}
	labels = map[string]string{nameLabel: name}
	for k, v := range ns.Labels {
		if k != nameLabel {
			labels[k] = v
		}
	}
	return labels, true
}

func emptySelector(sel *metav1.LabelSelector) bool {
	return sel != nil && len(sel.MatchLabels) == 0 && len(sel.MatchExpressions) == 0
}
