package services

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// BindsLocalhost finds programs that listen on the loopback address, where neither a
// Service nor the kubelet reaches them.
var BindsLocalhost = &analyzers.Analyzer{
	Name: "services/binds-localhost",
	Doc: `programs that listen on 127.0.0.1, where nothing outside their pod reaches them

Established by what the program's log or its listen argument says, for a port that a
Service or a probe sends to. A log that only says "localhost" counts when the kubelet was
refused on that port: many programs print localhost whatever they listen on.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{bindsLocalhost},
	Run:   localhost,
}

func localhost(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if !live(pod) || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		containers := serving(&pod.Spec)
		for i := range containers {
			c := &containers[i]
			for _, said := range loopback(p.Snapshot, pod, c) {
				if elsewhereHeard(p.Snapshot, pod, c, said.port) {
					continue
				}
				if len(containers) > 1 && !declares(c, said.port) {
					continue // an inner port behind a proxy in the same pod
				}
				if reportLocalhost(p, pod, c, said) {
					break // its log and its arguments say the same
				}
			}
		}
	}
	return nil
}

// said is one statement that a container listens on the loopback address.
type said struct {
	port     int
	unclear  bool
	evidence analyzers.Evidence
}

// listenArg takes --listen=127.0.0.1:8080 and the like; --upstream=127.0.0.1:8080 says
// where a program sends to.
var listenArg = regexp.MustCompile(`(?i)^-{1,2}[a-z.-]*(?:listen|bind)[a-z.-]*[= ](?:\w+://)?(?:127\.0\.0\.1|\[::1\]|localhost):(\d{2,5})$`)

func loopback(s *cluster.Snapshot, pod *corev1.Pod, c *corev1.Container) []said {
	var out []said
	if l, ok := s.Log(pod, c.Name, false); ok {
		for _, h := range listeners(l.Lines()) {
			if h.loopback || h.unclear {
				out = append(out, said{h.port, h.unclear, analyzers.Evidence{
					Source: fmt.Sprintf("Log of Pod %s/%s container %s", pod.Namespace, pod.Name, c.Name), Path: "log", Quote: analyzers.QuoteHead(h.line),
				}})
			}
		}
	}
	for _, a := range slices.Concat(c.Command, c.Args) {
		if m := listenArg.FindStringSubmatch(a); m != nil {
			n, _ := strconv.Atoi(m[1])
			out = append(out, said{n, false, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "args of container " + c.Name, Quote: analyzers.QuoteHead(a)}})
		}
	}
	return out
}

// elsewhereHeard reports whether the same port is open on another address too, as of
// programs that print one line for each, or answers the kubelet.
func elsewhereHeard(s *cluster.Snapshot, pod *corev1.Pod, c *corev1.Container, port int) bool {
	if cluster.PodReady(pod) && probePort(c, c.ReadinessProbe) == port {
		return true
	}
	l, ok := s.Log(pod, c.Name, false)
	return ok && slices.ContainsFunc(listeners(l.Lines()), func(h listener) bool { return h.port == port && !h.loopback && !h.unclear })
}

func declares(c *corev1.Container, port int) bool {
	return slices.ContainsFunc(c.Ports, func(d corev1.ContainerPort) bool { return int(d.ContainerPort) == port })
}

func reportLocalhost(p *analyzers.Pass, pod *corev1.Pod, c *corev1.Container, s said) bool {
	who, evidence, ok := sender(p.Snapshot, pod, c, s.port)
	refusal, refused := refusedOn(p.Snapshot, pod, s.port)
	if !ok || s.unclear && !refused {
		return false
	}
	root := p.Root(pod)
	f := analyzers.Finding{
		Code:     bindsLocalhost,
		Subject:  root,
		Part:     c.Name,
		Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  fmt.Sprintf("Container %s listens on 127.0.0.1:%d only, which %s cannot reach", c.Name, s.port, who),
		Evidence: []analyzers.Evidence{s.evidence, evidence},
		Fixes:    []analyzers.Fix{{Why: "Let the program listen on all addresses (0.0.0.0), in its arguments or settings", Argv: p.Kubectl(pod.Namespace, "edit", root.Short())}},
	}
	if refused {
		f.Evidence = append(f.Evidence, refusal)
	}
	p.Report(f)
	return true
}

// sender names who sends to the port of a pod from outside: a Service, else a probe.
func sender(s *cluster.Snapshot, pod *corev1.Pod, c *corev1.Container, port int) (who string, e analyzers.Evidence, ok bool) {
	for svc := range cluster.In[*corev1.Service](s, pod.Namespace) {
		if !matches(svc.Spec.Selector, pod.Labels) {
			continue
		}
		for i, sp := range svc.Spec.Ports {
			if numbered(c, sp.TargetPort.StrVal, portNumber(sp)) == port {
				return "Service " + svc.Name, analyzers.Evidence{
					Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].targetPort", i), Quote: fmt.Sprintf("sends to port %d", port),
				}, true
			}
		}
	}
	for _, probe := range []struct {
		name  string
		probe *corev1.Probe
	}{{"readiness", c.ReadinessProbe}, {"liveness", c.LivenessProbe}, {"startup", c.StartupProbe}} {
		if probePort(c, probe.probe) == port {
			return "its " + probe.name + " probe", analyzers.Evidence{
				Source: cluster.RefOf(pod).String(), Path: probe.name + "Probe of container " + c.Name, Quote: fmt.Sprintf("asks port %d", port),
			}, true
		}
	}
	return "", analyzers.Evidence{}, false
}

// refusedOn is the kubelet's word that a probe of the pod was refused on a port
// (k8s.io/kubernetes pkg/kubelet/prober/prober.go: "Readiness probe failed: Get …: dial
// tcp 10.0.0.1:8080: connect: connection refused").
func refusedOn(s *cluster.Snapshot, pod *corev1.Pod, port int) (analyzers.Evidence, bool) {
	ev, ok := s.LastEvent(pod, func(ev *corev1.Event) bool {
		return strings.Contains(ev.Message, fmt.Sprintf(":%d: connect: connection refused", port))
	}, "Unhealthy")
	if !ok {
		return analyzers.Evidence{}, false
	}
	return analyzers.EventEvidence(cluster.RefOf(pod), ev), true
}
