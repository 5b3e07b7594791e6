package services

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A verdict says what speaks against a numeric targetPort, and which port was meant.
type verdict struct {
	severity analyzers.Severity
	meant    int
	evidence analyzers.Evidence
	why      string
}

// numberedPort judges a numeric targetPort. A program may listen on a port that its
// container does not declare, so the number is doubted only when nothing in the pod
// mentions it, every container that can listen says what it listens on, and
//
//   - the log names another port as the one listened on: an error;
//   - a probe on another port succeeds, which is the only declared one: an error;
//   - the container declares exactly one port, and it is another: a warning, as this is
//     no proof.
//
// When some pods may listen there, a workload of which none does is astray (astray.go).
//
// A port besides one that does reach the pods is left alone: undeclared ports for
// metrics or administration are common.
func numberedPort(p *analyzers.Pass, svc *corev1.Service, i int, pods []*corev1.Pod) {
	port := svc.Spec.Ports[i]
	n := portNumber(port)
	if protocolOnly(p, svc, i, n, pods) {
		return
	}
	word := regexp.MustCompile(`(^|\D)` + strconv.Itoa(n) + `(\D|$)`)
	var found *verdict
	for _, pod := range pods {
		var v *verdict
		if !mentions(pod, n, word) {
			v = doubt(p.Snapshot, svc, pod, n)
		}
		if v == nil { // this pod may listen there
			astray(p, svc, i, pods, n, word)
			return
		}
		if found == nil || v.severity.AtLeast(found.severity) {
			found = v
		}
	}
	f := analyzers.Finding{
		Code:     portMismatch,
		Severity: found.severity,
		Subject:  cluster.RefOf(svc),
		Part:     part(svc, i),
		Summary:  fmt.Sprintf("Port %d sends traffic to port %d of %s, which %s", port.Port, n, workloads(p, pods), found.why),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].targetPort", i), Quote: fmt.Sprintf("targetPort: %d", n)},
			found.evidence,
		},
		Fixes: []analyzers.Fix{portFix(p, svc, i, "targetPort", found.meant, fmt.Sprintf("Send the traffic to port %d of the pods", found.meant))},
	}
	p.Report(f)
}

// portNumber is the number that a port's traffic goes to; unset means the port itself.
func portNumber(port corev1.ServicePort) int {
	if n := port.TargetPort.IntValue(); n != 0 {
		return n
	}
	return int(port.Port)
}

// doubt returns what speaks against pod listening on n, or nil when nothing does.
func doubt(s *cluster.Snapshot, svc *corev1.Service, pod *corev1.Pod, n int) *verdict {
	containers := serving(&pod.Spec)
	declared, ok := declaredPorts(containers)
	if !ok {
		return nil
	}
	if v := loggedPort(s, pod, containers, n); v != nil {
		if v.meant == n {
			return nil
		}
		return v
	}
	if len(declared) == 0 || served(svc, pod, declared) {
		return nil
	}
	if len(declared) != 1 || aside(svc, containers, declared[0]) {
		return nil
	}
	if v := probedPort(pod, containers, declared); v != nil {
		return v
	}
	return &verdict{
		severity: analyzers.Warning, meant: declared[0], why: fmt.Sprintf("declares only port %d", declared[0]),
		evidence: analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "spec.containers[*].ports", Quote: strconv.Itoa(declared[0])},
	}
}

// declaredPorts are the ports that the containers declare; ok is false when one of
// several says nothing of itself: a sidecar in front, perhaps.
func declaredPorts(containers []corev1.Container) (declared []int, ok bool) {
	for _, c := range containers {
		if len(c.Ports) == 0 && len(containers) > 1 {
			return nil, false
		}
		for _, d := range c.Ports {
			if !slices.Contains(declared, int(d.ContainerPort)) {
				declared = append(declared, int(d.ContainerPort))
			}
		}
	}
	return declared, true
}

// loggedPort is what the log says of the ports. A log that is cut at its beginning may
// have lost the line that counts.
func loggedPort(s *cluster.Snapshot, pod *corev1.Pod, containers []corev1.Container, n int) *verdict {
	var heard *listener
	var source string
	for _, c := range containers {
		l, ok := s.Log(pod, c.Name, false)
		if !ok {
			if len(containers) > 1 {
				return nil
			}
			continue
		}
		for _, said := range listeners(l.Lines()) {
			if said.port == n {
				return &verdict{meant: n}
			}
			if heard == nil && !l.Truncated {
				heard, source = &said, fmt.Sprintf("Log of Pod %s/%s container %s", pod.Namespace, pod.Name, c.Name)
			}
		}
	}
	if heard == nil {
		return nil
	}
	return &verdict{
		severity: analyzers.Error, meant: heard.port, why: fmt.Sprintf("listens on port %d", heard.port),
		evidence: analyzers.Evidence{Source: source, Path: "log", Quote: analyzers.QuoteHead(heard.line)},
	}
}

// probedPort finds the probe whose success shows that the program listens on the one
// port it declares.
func probedPort(pod *corev1.Pod, containers []corev1.Container, declared []int) *verdict {
	if !cluster.PodReady(pod) || len(declared) != 1 {
		return nil
	}
	for _, c := range containers {
		if n := probePort(&c, c.ReadinessProbe); n == declared[0] {
			return &verdict{
				severity: analyzers.Error, meant: n, why: fmt.Sprintf("declares only port %d and answers there", n),
				evidence: analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "readinessProbe of container " + c.Name, Quote: fmt.Sprintf("readinessProbe succeeds on port %d", n)},
			}
		}
	}
	return nil
}

var asideName = regexp.MustCompile(`(?i)health|manage|metric|admin|probe|status|monitor|live|ready|debug|prof`)

// aside reports whether a port is by its name one for the operators: then the port for
// users may be the one that is not declared. A Service whose only port has such a name
// is itself one for the operators.
func aside(svc *corev1.Service, containers []corev1.Container, n int) bool {
	if len(svc.Spec.Ports) == 1 && asideName.MatchString(svc.Spec.Ports[0].Name) {
		return false
	}
	for _, c := range containers {
		for _, d := range c.Ports {
			if int(d.ContainerPort) == n && asideName.MatchString(d.Name) {
				return true
			}
		}
	}
	return false
}

// served reports whether another port of the Service reaches a declared port.
func served(svc *corev1.Service, pod *corev1.Pod, declared []int) bool {
	for _, port := range svc.Spec.Ports {
		for _, c := range serving(&pod.Spec) {
			if slices.Contains(declared, numbered(&c, port.TargetPort.StrVal, portNumber(port))) {
				return true
			}
		}
	}
	return false
}

// mentions reports whether anything in the pod names the number: a declared port, a
// probe, an argument, a variable, an annotation for scraping. Where variables come from
// elsewhere their values are unknown, and the port may be among them.
func mentions(pod *corev1.Pod, n int, word *regexp.Regexp) bool {
	for k, v := range pod.Annotations {
		if strings.Contains(strings.ToLower(k), "port") && word.MatchString(v) {
			return true
		}
	}
	for _, c := range serving(&pod.Spec) {
		for _, d := range c.Ports {
			if int(d.ContainerPort) == n {
				return true
			}
		}
		for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
			if probePort(&c, probe) == n {
				return true
			}
		}
		for _, a := range slices.Concat(c.Command, c.Args) {
			if word.MatchString(a) {
				return true
			}
		}
		for _, e := range c.Env {
			if word.MatchString(e.Value) || e.ValueFrom != nil && strings.Contains(strings.ToLower(e.Name), "port") {
				return true
			}
		}
	}
	return false
}

// protocolOnly reports a port that all pods declare with another protocol only. A
// Service that offers the number with the declared protocol too, as for DNS or HTTP/3, is
// left alone. It tells whether all pods that declare the number do so with another
// protocol.
//
// Declared ports inform, and TCP is what a declaration says that leaves the protocol
// out: that is a warning, unless a probe shows what the port speaks. Somebody who
// declares UDP means it.
func protocolOnly(p *analyzers.Pass, svc *corev1.Service, i, n int, pods []*corev1.Pod) bool {
	want := protocol(svc.Spec.Ports[i].Protocol)
	var have corev1.Protocol
	for _, pod := range pods {
		for _, c := range serving(&pod.Spec) {
			for _, d := range c.Ports {
				if int(d.ContainerPort) != n {
					continue
				}
				if have = protocol(d.Protocol); have == want || want == corev1.ProtocolTCP && answers(pod, n) {
					return false
				}
			}
		}
	}
	if have == "" {
		return false
	}
	for j, other := range svc.Spec.Ports {
		if j != i && (portNumber(other) == n || other.Port == svc.Spec.Ports[i].Port) {
			return true
		}
	}
	severity := analyzers.Error
	if !speaksOnly(p, svc, pods, n, have) {
		severity = analyzers.Warning
	}
	p.Report(analyzers.Finding{
		Code:     portMismatch,
		Severity: severity,
		Subject:  cluster.RefOf(svc),
		Part:     part(svc, i),
		Summary:  fmt.Sprintf("Port %d is %s, but the pods of %s declare port %d as %s only", svc.Spec.Ports[i].Port, want, workloads(p, pods), n, have),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].protocol", i), Quote: "protocol: " + string(want)},
			{Source: cluster.RefOf(pods[0]).String(), Path: "spec.containers[*].ports", Quote: fmt.Sprintf("ports: %d/%s", n, have)},
		},
		Fixes: []analyzers.Fix{portFix(p, svc, i, "protocol", string(have), fmt.Sprintf("Make the Service's port %s, as the pods have it", have))},
	})
	return true
}

// speaksOnly reports whether it is sure that the pods have the number with the protocol
// that they declare and no other: all of them declare it, which nobody does for UDP by
// leaving something out, or a probe for HTTP or gRPC succeeds there. A probe that only
// connects does not tell that of a name server. A second Service for the same pods and
// number stands for a program that speaks both.
func speaksOnly(p *analyzers.Pass, svc *corev1.Service, pods []*corev1.Pod, n int, have corev1.Protocol) bool {
	for _, pod := range pods {
		declared, proved := false, false
		for _, c := range serving(&pod.Spec) {
			for _, d := range c.Ports {
				declared = declared || int(d.ContainerPort) == n && protocol(d.Protocol) == have
			}
			r := c.ReadinessProbe
			proved = proved || r != nil && r.TCPSocket == nil && probePort(&c, r) == n && cluster.PodReady(pod)
		}
		if !declared || have == corev1.ProtocolTCP && !proved {
			return false
		}
	}
	for other := range cluster.In[*corev1.Service](p.Snapshot, svc.Namespace) {
		if other.Name == svc.Name || !matches(other.Spec.Selector, pods[0].Labels) {
			continue
		}
		for _, port := range other.Spec.Ports {
			if protocol(port.Protocol) == have && portNumber(port) == n {
				return false
			}
		}
	}
	return true
}

// answers reports whether a readiness probe, which goes over TCP, succeeds on the port.
func answers(pod *corev1.Pod, n int) bool {
	return cluster.PodReady(pod) && slices.ContainsFunc(serving(&pod.Spec), func(c corev1.Container) bool { return probePort(&c, c.ReadinessProbe) == n })
}
