package probes

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A rightPort is the port that a probe should ask in place of the one that refuses.
type rightPort struct {
	number int
	name   string // of the declared port, if it has one
	why    string // continues a summary: what shows that it is the right one
	proof  analyzers.Evidence
}

// right finds the port that the probe should ask: the one that the program says it
// listens on, or the only one that the container declares, or that of a probe that works.
// A declared port that refuses is not wrong by the spec: then only the log can tell.
func (t *trouble) right(p *analyzers.Pass) (rightPort, bool) {
	wrong, ok := port(t.probe, t.container)
	if !ok || t.failure.mode != refused {
		return rightPort{}, false
	}
	if _, ok := t.neighbour(); ok {
		return rightPort{}, false // the probe asks what it is meant to ask
	}
	ref := cluster.RefOf(t.pod).String()
	if l, ok := t.hears(wrong); ok {
		return rightPort{l.port, portNameOf(t.container, l.port), fmt.Sprintf("the program listens on port %d", l.port), t.quote(l.line)}, true
	}
	if declares(t.container, wrong) || open(t.heard, wrong) {
		return rightPort{}, false
	}
	path := "spec.containers[" + t.container.Name + "]"
	if len(t.container.Ports) == 1 && t.container.Ports[0].Protocol != corev1.ProtocolUDP {
		d := t.container.Ports[0]
		quote := fmt.Sprintf("containerPort: %d", d.ContainerPort)
		return rightPort{int(d.ContainerPort), d.Name, fmt.Sprintf("the container declares port %d", d.ContainerPort), analyzers.Evidence{Source: ref, Path: path + ".ports", Quote: quote}}, true
	}
	for _, which := range []string{readiness, liveness, startup} {
		q := probeOf(t.container, which)
		if which == t.which || q == nil {
			continue
		}
		n, ok := port(q, t.container)
		if ok && n != wrong && t.works(p, which) {
			return rightPort{n, portNameOf(t.container, n), fmt.Sprintf("the %s probe passes on port %d", which, n), analyzers.Evidence{Source: ref, Path: path + "." + field(which), Quote: fmt.Sprintf("port: %d", n)}}, true
		}
	}
	return rightPort{}, false
}

// neighbour is the other container of the pod that declares the port which the probe asks
// and is refused on, such as a proxy: all containers of a pod share its ports.
func (t *trouble) neighbour() (*corev1.Container, bool) {
	number, ok := port(t.probe, t.container)
	if !ok || t.failure.mode != refused || declares(t.container, number) {
		return nil, false
	}
	for _, list := range [][]corev1.Container{t.pod.Spec.Containers, t.pod.Spec.InitContainers} {
		for i := range list {
			if c := &list[i]; c.Name != t.container.Name && declares(c, number) {
				return c, true
			}
		}
	}
	return nil, false
}

// blameNeighbour says that the probe asks another container. While that one does not run,
// its own fault is the one to mend, and this finding no more than what follows from it.
func (t *trouble) blameNeighbour(p *analyzers.Pass, f *analyzers.Finding) bool {
	c, ok := t.neighbour()
	if !ok {
		return false
	}
	which := ", as that is a port of container " + c.Name
	for _, status := range cluster.ContainerStatuses(t.pod) {
		if status.Name != c.Name {
			continue
		}
		if fault := p.ContainerFault(t.pod, status); fault != cluster.NoFault && fault != cluster.ReadyFault {
			which += ", which does not run"
			f.Severity = analyzers.Warning
		}
	}
	number, _ := port(t.probe, t.container)
	f.Summary = analyzers.Line(f.Summary+which, analyzers.MaxSummary)
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(t.pod).String(), Path: "spec.containers[" + c.Name + "].ports", Quote: fmt.Sprintf("containerPort: %d", number)})
	return true
}

// hears is the one port other than wrong that the program listens on; not ok if there are
// several and none of them is declared.
func (t *trouble) hears(wrong int) (listener, bool) {
	if len(t.heard) == 0 || open(t.heard, wrong) {
		return listener{}, false
	}
	var found []listener
	for _, l := range t.heard {
		if l.loopback || l.port == wrong {
			continue
		}
		if declares(t.container, l.port) {
			return l, true
		}
		if len(found) == 0 || found[0].port != l.port {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		return listener{}, false
	}
	return found[0], true
}

// works reports whether another probe of the container passes in this run.
func (t *trouble) works(p *analyzers.Pass, which string) bool {
	if t.status.State.Running == nil || t.kill != nil && which == startup {
		return false
	}
	other := trouble{pod: t.pod, status: t.status, container: t.container, which: which, probe: probeOf(t.container, which)}
	other.try(p, t.status.State.Running.StartedAt.Time)
	return other.unhealthy == nil && (which != readiness || t.status.Ready)
}

func declares(c *corev1.Container, number int) bool {
	for _, p := range c.Ports {
		if int(p.ContainerPort) == number {
			return true
		}
	}
	return false
}

func portNameOf(c *corev1.Container, number int) string {
	for _, p := range c.Ports {
		if int(p.ContainerPort) == number {
			return p.Name
		}
	}
	return ""
}

// quote is a line of the container's log as evidence.
func (t *trouble) quote(line string) analyzers.Evidence {
	path := "current"
	if t.log.Previous {
		path = "previous"
	}
	return quoteLog(t.pod, t.container.Name, path, line)
}

// change is a fix that changes one probe of the workload's template; ok is false for a
// kind whose template cannot be changed.
func (t *trouble) change(p *analyzers.Pass, why string, probe map[string]any, which string) (analyzers.Fix, bool) {
	if !cluster.RollsOut(t.subject) {
		return analyzers.Fix{}, false
	}
	list := "containers"
	if _, init, _ := cluster.Container(&t.pod.Spec, t.container.Name); init {
		list = "initContainers"
	}
	patch := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{list: []any{map[string]any{"name": t.container.Name, field(which): probe}}}}}}
	return analyzers.Fix{Why: why, Argv: p.Kubectl(t.subject.Namespace, "patch", t.subject.Short(), "--type", "strategic", "-p", toJSON(patch))}, true
}

// toJSON writes what is made of strings, numbers and API types, which cannot fail. A
// placeholder such as <path> stays as it is.
func toJSON(v any) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "{}"
	}
	return strings.TrimSpace(out.String())
}

// toPort is the fix that makes the probe ask the right port.
func (t *trouble) toPort(p *analyzers.Pass, r rightPort) (analyzers.Fix, bool) {
	var to any = r.number
	if r.name != "" {
		to = intstr.FromString(r.name)
	}
	action := map[string]any{"port": to}
	switch {
	case t.probe.HTTPGet != nil:
		action = map[string]any{"httpGet": action}
	case t.probe.TCPSocket != nil:
		action = map[string]any{"tcpSocket": action}
	case t.probe.GRPC != nil:
		action = map[string]any{"grpc": map[string]any{"port": r.number}}
	default:
		return analyzers.Fix{}, false
	}
	fix, ok := t.change(p, fmt.Sprintf("Point the %s probe at port %d", t.which, r.number), action, t.which)
	if ok {
		fix.Patch = &analyzers.Patch{Target: t.subject, Data: json.RawMessage(fix.Argv[len(fix.Argv)-1])}
	}
	return fix, ok
}
