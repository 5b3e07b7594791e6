package probes

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// LivenessKills reports containers that the kubelet restarts again and again because
// their liveness or startup probe fails. The exit code is that of the kill and says
// nothing: 0 or 143 from a program that stops when asked to, 137 from one that does not.
var LivenessKills = &analyzers.Analyzer{
	Name:  "probes/liveness-kills",
	Doc:   "containers that are restarted because their liveness or startup probe fails",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services, cluster.EndpointSlices},
	Emits: []analyzers.Code{livenessKills},
	Run: func(p *analyzers.Pass) error {
		each(p, livenessKills, func(t *trouble) {
			wrong, isWrong := t.right(p)
			text := fmt.Sprintf("Container %s is restarted because its %s probe %s", t.container.Name, t.which, t.happens())
			late := t.late()
			switch {
			case isWrong:
				text += ", but " + wrong.why
			case late:
				text = fmt.Sprintf("Container %s is restarted before it is up: its %s probe %s, %s after the start", t.container.Name, t.which, t.happens(), budget(t.probe))
			}
			f := t.finding(livenessKills, text)
			switch {
			case isWrong:
				f.Evidence = append(f.Evidence, wrong.proof)
				if fix, ok := t.toPort(p, wrong); ok {
					f.Fixes = append(f.Fixes, fix)
				}
			case t.blameNeighbour(p, &f):
			case t.blame(p, &f):
			case late || t.which == startup:
				f.Evidence = append(f.Evidence, t.spec("failureThreshold", strconv.Itoa(int(or(t.probe.FailureThreshold, defaultThreshold)))))
				f.Fixes = append(f.Fixes, t.allowStart(p)...)
			default:
				f.Fixes = append(f.Fixes, t.livenessFixes(p)...)
				if t.unproven() {
					f.Fixes = append(f.Fixes, t.allowStart(p)...)
				}
			}
			if back, ok := t.back(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			why := "Show what the program did until it was stopped"
			if end, _ := cluster.End(t.status); end != nil && end.ExitCode == 137 {
				why += "; it ignored SIGTERM and had to be killed (exit code 137)"
			}
			f.Fixes = append(f.Fixes, t.readLog(p, why))
			p.Report(f)
		})
		return nil
	},
}

// late reports whether the container was killed before the program listened at all: its
// run ended without a word of listening, and not long after what the probe allows.
func (t *trouble) late() bool {
	end, _ := cluster.End(t.status)
	if t.which == startup {
		return t.failure.mode == refused
	}
	return t.which == liveness && t.failure.mode == refused && len(t.heard) == 0 && len(t.lines) > 0 && end != nil && cluster.LastRun(end) <= 2*budget(t.probe)+grace
}

// unproven reports whether no run has outlasted by much what the probe allows, and the
// program answers that it is not up: it may need longer than that to start.
func (t *trouble) unproven() bool {
	end, _ := cluster.End(t.status)
	return t.which == liveness && t.failure.mode == status && t.failure.code == 503 && end != nil && cluster.LastRun(end) > 0 && cluster.LastRun(end) <= 2*budget(t.probe)+grace
}

// allowStart gives the program more time to start: a longer startup probe, or one at all.
func (t *trouble) allowStart(p *analyzers.Pass) []analyzers.Fix {
	if t.which == startup {
		n := int(or(t.probe.FailureThreshold, defaultThreshold))
		for int64(n)*int64(period(t.probe)) < int64(2*budget(t.probe)) || n < 10 {
			n++
		}
		if fix, ok := t.change(p, fmt.Sprintf("Give the program %s to start", or(int32(n), 1)*period(t.probe)), map[string]any{"failureThreshold": n}, startup); ok {
			return []analyzers.Fix{fix}
		}
		return nil
	}
	if t.container.StartupProbe != nil {
		return nil
	}
	probe := map[string]any{"failureThreshold": 30, "periodSeconds": 10}
	switch {
	case t.probe.HTTPGet != nil:
		probe["httpGet"] = t.probe.HTTPGet
	case t.probe.TCPSocket != nil:
		probe["tcpSocket"] = t.probe.TCPSocket
	case t.probe.GRPC != nil:
		probe["grpc"] = t.probe.GRPC
	default:
		return nil
	}
	if fix, ok := t.change(p, "Add a startup probe that gives the program 5 minutes before the liveness probe begins", probe, startup); ok {
		return []analyzers.Fix{fix}
	}
	return nil
}

// livenessFixes follow from how the probe fails.
func (t *trouble) livenessFixes(p *analyzers.Pass) []analyzers.Fix {
	add := func(why string, probe map[string]any) []analyzers.Fix {
		if fix, ok := t.change(p, why, probe, t.which); ok {
			return []analyzers.Fix{fix}
		}
		return nil
	}
	switch {
	case t.failure.mode == silent:
		n := 5 * int(or(t.probe.TimeoutSeconds, defaultTimeout))
		return add(fmt.Sprintf("Raise the timeout to %d s; a program that is slow for lack of CPU needs more CPU instead", n), map[string]any{"timeoutSeconds": n})
	case t.failure.mode == noGRPC:
		number, _ := port(t.probe, t.container)
		if _, ok := t.listens(number); !ok {
			return nil
		}
		return add("Probe the TCP port, on which the program listens; or ask with httpGet for a path that it serves", map[string]any{"grpc": nil, "tcpSocket": map[string]any{"port": number}})
	case t.failure.mode == scheme:
		return add("Ask over HTTP, which the program speaks", map[string]any{"httpGet": map[string]any{"scheme": "HTTP"}})
	case t.failure.mode == status && (t.failure.code == 404 || t.failure.code == 405):
		if other, ok := t.otherPath(); ok {
			return add(fmt.Sprintf("Ask for a path that the program serves, such as %s of the readiness probe", other), map[string]any{"httpGet": map[string]any{"path": other}})
		}
		return add("Ask for a path that the program serves", map[string]any{"httpGet": map[string]any{"path": "<path>"}})
	case t.failure.mode == status && (t.failure.code == 401 || t.failure.code == 403):
		return add("Ask for a path that needs no login", map[string]any{"httpGet": map[string]any{"path": "<path>"}})
	case t.failure.mode == portName && t.probe.HTTPGet != nil:
		return add("Ask a port that the container declares", map[string]any{"httpGet": map[string]any{"port": "<port>"}})
	case t.failure.mode == portName && t.probe.TCPSocket != nil:
		return add("Ask a port that the container declares", map[string]any{"tcpSocket": map[string]any{"port": "<port>"}})
	}
	return nil
}

// otherPath is the path of the readiness probe of the container, which passes on the
// same port.
func (t *trouble) otherPath() (string, bool) {
	q := t.container.ReadinessProbe
	if t.which == readiness || q == nil || q.HTTPGet == nil || t.probe.HTTPGet == nil || path(q.HTTPGet) == path(t.probe.HTTPGet) || !t.status.Ready {
		return "", false
	}
	if a, ok := port(q, t.container); ok {
		if b, ok := port(t.probe, t.container); ok && a == b {
			return path(q.HTTPGet), true
		}
	}
	return "", false
}

func path(g *corev1.HTTPGetAction) string {
	if g.Path == "" {
		return "/"
	}
	return g.Path
}
