package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// hostPort is one port of the node that a pod listens on.
type hostPort struct {
	ip       string
	protocol corev1.Protocol
	port     int32
}

type portUse struct {
	hostPort
	by *corev1.Pod
}

func (p hostPort) String() string { return fmt.Sprintf("%d/%s", p.port, p.protocol) }

const anyAddress = "0.0.0.0"

// hostPorts are the host ports of containers and of native sidecars (k8s.io/kubernetes
// pkg/scheduler/util/utils.go, GetHostPorts; other init containers are left out there).
func hostPorts(pod *corev1.Pod) []hostPort {
	var out []hostPort
	add := func(c *corev1.Container) {
		for _, p := range c.Ports {
			if p.HostPort <= 0 {
				continue
			}
			h := hostPort{p.HostIP, p.Protocol, p.HostPort}
			if h.ip == "" {
				h.ip = anyAddress
			}
			if h.protocol == "" {
				h.protocol = corev1.ProtocolTCP
			}
			out = append(out, h)
		}
	}
	for i := range pod.Spec.InitContainers {
		if cluster.IsSidecar(&pod.Spec.InitContainers[i]) {
			add(&pod.Spec.InitContainers[i])
		}
	}
	for i := range pod.Spec.Containers {
		add(&pod.Spec.Containers[i])
	}
	return out
}

// clashes follows HostPortInfo.CheckConflict (k8s.io/kube-scheduler framework/types.go).
func (p hostPort) clashes(other hostPort) bool {
	return p.port == other.port && p.protocol == other.protocol && (p.ip == other.ip || p.ip == anyAddress || other.ip == anyAddress)
}

func (r *request) nodePorts(n *nodeState, out []Rejection) []Rejection {
	if len(r.ports) == 0 {
		return out
	}
	var taken []portUse
	see := func(use portUse) {
		for _, want := range r.ports {
			if want.clashes(use.hostPort) {
				taken = append(taken, use)
			}
		}
	}
	for _, use := range n.portsUsed {
		if !r.without[use.by] {
			see(use)
		}
	}
	for _, pod := range r.expected(n) {
		for _, p := range hostPorts(pod) {
			see(portUse{p, pod})
		}
	}
	if len(taken) == 0 {
		return out
	}
	return append(out, Rejection{Filter: NodePorts, kind: byPort, ports: taken,
		Reason: fmt.Sprintf("host port %s is taken by %s", taken[0], cluster.RefOf(taken[0].by))})
}
