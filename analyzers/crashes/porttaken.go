package crashes

import (
	"fmt"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PortTaken reports programs that cannot listen on their port. The containers of a pod
// share one network, and pods with hostNetwork share that of their node.
var PortTaken = &analyzers.Analyzer{
	Name:  "crashes/port-taken",
	Doc:   "programs that cannot listen on a port because another one has it",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events}, rbac...),
	Emits: []analyzers.Code{portTaken},
	Run: func(p *analyzers.Pass) error {
		each(p, portTaken, failed, func(c crash, r reason) {
			port := takenPort(r.Detail)
			what := "its port"
			if port > 0 {
				what = fmt.Sprintf("port %d", port)
			}
			by, proof := holder(p, c, port)
			f := c.finding(portTaken, fmt.Sprintf("%s cannot listen on %s: %s", c.name(), what, by), append(r.evidence(c), proof...)...)
			f.Fixes = []analyzers.Fix{{Why: "Give one of the two another port, in its settings and wherever else the port is named", Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())}}
			if back, ok := c.rollback(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			p.Report(f)
		})
		return nil
	},
}

var portForms = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bport[ :=]+(\d{2,5})\b`),
	regexp.MustCompile(`:(\d{2,5})\b`),
	regexp.MustCompile(`', (\d{2,5})\)`),
}

func takenPort(detail string) int {
	for _, form := range portForms {
		if m := form.FindStringSubmatch(detail); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && n < 65536 {
				return n
			}
		}
	}
	return 0
}

// holder says who has the port, as far as the pods' specs tell.
func holder(p *analyzers.Pass, c crash, port int) (string, []analyzers.Evidence) {
	declares := func(spec *corev1.PodSpec, except string) (corev1.Container, bool) {
		for _, other := range cluster.Containers(spec) {
			if other.Name == except {
				continue
			}
			for _, cp := range other.Ports {
				if int(cp.ContainerPort) == port && port > 0 {
					return other, true
				}
			}
		}
		return corev1.Container{}, false
	}
	proof := func(pod *corev1.Pod, container string) []analyzers.Evidence {
		return []analyzers.Evidence{{Source: cluster.RefOf(pod).String(), Path: "spec.containers[" + container + "].ports", Quote: fmt.Sprintf("containerPort: %d", port)}}
	}
	if other, ok := declares(&c.pod.Spec, c.status.Name); ok {
		return fmt.Sprintf("container %s of the same pod has it", other.Name), proof(c.pod, other.Name)
	}
	if c.pod.Spec.HostNetwork {
		for _, pod := range p.PodsOn(c.pod.Spec.NodeName) {
			if pod == c.pod || !pod.Spec.HostNetwork || cluster.PodFinished(pod) {
				continue
			}
			if other, ok := declares(&pod.Spec, ""); ok {
				return fmt.Sprintf("%s on the same node's network has it", p.Root(pod)), proof(pod, other.Name)
			}
		}
		return fmt.Sprintf("a program on the network of node %s has it", nodeName(c.pod)), []analyzers.Evidence{{Source: cluster.RefOf(c.pod).String(), Path: "spec.hostNetwork", Quote: "hostNetwork: true"}}
	}
	if len(c.pod.Spec.Containers) > 1 {
		return "another program in the pod has it", nil
	}
	return "another process in the container has it", nil
}
