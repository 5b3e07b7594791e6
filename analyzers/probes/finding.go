package probes

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// lastLines is how much of a log is read for what the program waits for.
	lastLines = 20
)

// finding is what all findings about a failing probe have in common: the newest failed
// try, how it is written in the spec, and what the container has been through.
func (t *trouble) finding(code analyzers.Code, summary string) analyzers.Finding {
	f := analyzers.Finding{Code: code, Subject: t.subject, Part: t.container.Name, Affected: []analyzers.Ref{cluster.RefOf(t.pod)}, Summary: analyzers.Line(summary, analyzers.MaxSummary)}
	if t.early {
		f.Severity = analyzers.Warning
	}
	ref := cluster.RefOf(t.pod).String()
	if t.unhealthy != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + ref, Path: t.unhealthy.Reason, Quote: words(t.unhealthy.Message), At: cluster.EventTime(t.unhealthy)})
	}
	if t.kill != nil {
		if t.kill != t.unhealthy {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + ref, Path: t.kill.Reason, Quote: analyzers.QuoteHead(t.kill.Message), At: cluster.EventTime(t.kill)})
		}
		if end, _ := cluster.End(t.status); end != nil {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref, Path: t.path() + ".restartCount", Quote: fmt.Sprintf("restartCount: %d, last exitCode: %d", t.status.RestartCount, end.ExitCode), At: end.FinishedAt.Time})
		}
	} else {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref, Path: t.path() + ".ready", Quote: "ready: false", At: t.since})
	}
	if t.failure.mode == noGRPC {
		number, _ := port(t.probe, t.container)
		if line, ok := t.listens(number); ok {
			f.Evidence = append(f.Evidence, t.quote(line))
		}
	}
	return f
}

// words is an event's message, without the runtime's preamble if it is too long: what
// could not be run stands at its end.
func words(message string) string {
	if i := strings.Index(message, "OCI runtime exec failed"); i > 0 && len(message) > analyzers.MaxQuote {
		message = message[i:]
	}
	return analyzers.QuoteHead(message)
}

func (t *trouble) path() string {
	list := "containerStatuses"
	if _, init, _ := cluster.Container(&t.pod.Spec, t.container.Name); init {
		list = "initContainerStatuses"
	}
	return "status." + list + "[" + t.container.Name + "]"
}

// spec is the evidence of one field of the probe.
func (t *trouble) spec(name, value string) analyzers.Evidence {
	return analyzers.Evidence{Source: cluster.RefOf(t.pod).String(), Path: "spec.containers[" + t.container.Name + "]." + field(t.which) + "." + name, Quote: name + ": " + value}
}

// happens says how the probe fails, as the second half of "its readiness probe …".
func (t *trouble) happens() string {
	ask := asks(t.probe, t.container)
	said := t.failure.text
	if ip := t.pod.Status.PodIP; ip != "" {
		said = strings.ReplaceAll(said, ip, "<pod>") // differs from pod to pod
	}
	number, _ := port(t.probe, t.container)
	switch t.failure.mode {
	case status:
		return fmt.Sprintf("%s answers %d", ask, t.failure.code)
	case refused:
		return fmt.Sprintf("%s is refused", ask)
	case silent:
		return fmt.Sprintf("%s gets no answer within %s", ask, timeout(t.probe))
	case scheme:
		return fmt.Sprintf("%s uses HTTPS, but the program speaks HTTP", ask)
	case garbled:
		return fmt.Sprintf("%s uses HTTP, but the program speaks something else on port %d", ask, number)
	case portName:
		return fmt.Sprintf("names a port that the container does not declare: %s", said)
	case unserved:
		return ask + " is answered with NOT_SERVING"
	case noHealth:
		return ask + " asks for the gRPC health service, which the program does not offer"
	case noGRPC:
		if _, ok := t.listens(number); ok {
			return ask + " finds no gRPC server, though the program listens there"
		}
		return fmt.Sprintf("%s finds no gRPC server within %s", ask, timeout(t.probe))
	case slow:
		return fmt.Sprintf("%s takes longer than its timeout of %s", ask, timeout(t.probe))
	case missing:
		return ask + " cannot be run in the container"
	case exited:
		if said != "" {
			return fmt.Sprintf("%s fails: %s", ask, said)
		}
		return ask + " fails"
	}
	if said != "" {
		return fmt.Sprintf("%s fails: %s", ask, said)
	}
	return ask + " does not pass"
}

// waitsFor finds in the probe's words or the end of the log a dependency that the program cannot reach and
// that, as far as the Snapshot tells, is not there. Without that it is no reason: programs
// log many a failed connection that they get over.
//
// The words of an exec probe are the program's own, and as good as its log: they name the
// address that the probe's command asks. Those of the other probes name the pod.
func (t *trouble) waitsFor(p *analyzers.Pass) (text string, ref analyzers.Ref, proof []analyzers.Evidence, ok bool) {
	if t.probe.Exec != nil && t.unhealthy != nil {
		if svc, ok := deadEnd(p, t.pod.Namespace, t.failure.text); ok {
			return fmt.Sprintf("Service %s has no ready endpoint", svc.Name), svc, nil, true
		}
	}
	lines := t.lines[max(0, len(t.lines)-lastLines):]
	for i := len(lines) - 1; i >= 0; i-- {
		if svc, ok := deadEnd(p, t.pod.Namespace, lines[i]); ok {
			return fmt.Sprintf("Service %s has no ready endpoint", svc.Name), svc, []analyzers.Evidence{t.quote(lines[i])}, true
		}
	}
	return "", analyzers.Ref{}, nil, false
}

// deadEnd is the Service without a ready endpoint that a text tells of a failed
// connection to.
func deadEnd(p *analyzers.Pass, namespace, text string) (analyzers.Ref, bool) {
	if l, ok := cluster.FailedLookup(text); ok && l.Unanswered() {
		if svc, down := p.NamesDown(); down {
			return cluster.RefOf(svc), true
		}
	}
	a, _, ok := cluster.FailedConnection(text)
	if !ok {
		return analyzers.Ref{}, false
	}
	svc := p.Dependency(namespace, a).Service
	if svc == nil {
		return analyzers.Ref{}, false
	}
	ready, _, known := p.Serving(svc)
	return cluster.RefOf(svc), known && ready == 0
}

// listens is the line that shows that the program listens on a port, and says nothing of
// gRPC there: a server that speaks it may have been too slow.
func (t *trouble) listens(number int) (line string, ok bool) {
	for _, l := range t.heard {
		if l.port == number && !l.loopback {
			line, ok = l.line, true
			if strings.Contains(strings.ToLower(l.line), "grpc") {
				return "", false
			}
		}
	}
	return line, ok
}

// blame adds to a finding the dependency that the program waits for.
func (t *trouble) blame(p *analyzers.Pass, f *analyzers.Finding) bool {
	text, ref, proof, ok := t.waitsFor(p)
	if !ok {
		return false
	}
	f.Summary = analyzers.Line(f.Summary+", as "+text, analyzers.MaxSummary)
	f.Evidence = append(f.Evidence, proof...)
	f.CausedBy, f.Shared = []analyzers.Ref{ref}, fmt.Sprintf("Service %s has no ready endpoint", ref.Name)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show the Service's selector and its endpoints, of which none is ready", Argv: p.Kubectl(ref.Namespace, "describe", "service", ref.Name)})
	return true
}

func (t *trouble) readLog(p *analyzers.Pass, why string) analyzers.Fix {
	args := []string{"logs", t.pod.Name, "-c", t.container.Name, "--tail=100"}
	if t.kill != nil && t.status.State.Running != nil {
		args = append(args, "--previous")
	}
	return analyzers.Fix{Why: why, Argv: p.Kubectl(t.pod.Namespace, args...)}
}

// back is the fix that returns to the revision that still runs well.
func (t *trouble) back(p *analyzers.Pass) (analyzers.Fix, bool) {
	bad, ok := p.Regression(t.pod)
	if !ok {
		return analyzers.Fix{}, false
	}
	return analyzers.Fix{Why: fmt.Sprintf("Roll back revision %d, which brought this; the one before still runs well", bad), Argv: p.Kubectl(t.subject.Namespace, "rollout", "undo", t.subject.Short())}, true
}

// kubectl logs --timestamps puts the time in RFC 3339 and one space before each line.
var kubeletTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) `)

func quoteLog(pod *corev1.Pod, container, path, line string) analyzers.Evidence {
	e := analyzers.Evidence{Source: "Log of Pod " + pod.Namespace + "/" + pod.Name + " container " + container, Path: path}
	if stamp := kubeletTime.FindString(line); stamp != "" {
		if at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(stamp)); err == nil {
			line, e.At = line[len(stamp):], at.UTC()
		}
	}
	e.Quote = analyzers.QuoteHead(line)
	return e
}
