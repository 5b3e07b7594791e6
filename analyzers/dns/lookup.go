package dns

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A lookup is a name that a container could not resolve, and that keeps it from its work.
type lookup struct {
	pod       *corev1.Pod
	status    corev1.ContainerStatus
	container *corev1.Container
	subject   analyzers.Ref
	host      string
	server    string // that was asked, when the text says so
	answer    cluster.Answer
	line      string
	previous  bool // the line is of the run that ended
	at        time.Time
	dependsOn cluster.Dependency
}

const (
	// lastLines are those in which a program says what stopped it; a stack may follow.
	lastLines = 30
	// initWait is how long an init container may wait for what is just being started.
	initWait = time.Minute
)

// lookups are the names that containers in scope cannot resolve now, one a container: the
// last failed connection of its log is such a name.
func lookups(p *analyzers.Pass) []lookup {
	return cluster.Derive(p.Snapshot, "dns.lookups", func() []lookup {
		var out []lookup
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			// What a DNS server itself cannot resolve is told with the server.
			if pod.DeletionTimestamp != nil || cluster.NameServer(pod) || cluster.PodReady(pod) && !restarts(pod) || cluster.PodFinished(pod) && !p.Stands(pod) {
				continue
			}
			for _, status := range cluster.ContainerStatuses(pod) {
				if l, ok := stopped(p, pod, status); ok {
					out = append(out, l)
				}
			}
		}
		return out
	})
}

// restarts reports whether any container of a pod was ended: between two crashes, one
// without a readiness probe is ready.
func restarts(pod *corev1.Pod) bool {
	return slices.ContainsFunc(cluster.ContainerStatuses(pod), func(s corev1.ContainerStatus) bool { return s.RestartCount > 0 })
}

// stopped finds the name that keeps a container from its work.
func stopped(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) (lookup, bool) {
	container, init, ok := cluster.Container(&pod.Spec, status.Name)
	if !ok {
		return lookup{}, false
	}
	l := lookup{pod: pod, status: status, container: container, subject: p.Root(pod)}
	var log cluster.Log
	switch running := status.State.Running; {
	case p.Crashing(pod, status):
		if p.EndExplained(pod, status) {
			return lookup{}, false
		}
		if end, current := cluster.End(status); end != nil {
			if end.Reason == "OOMKilled" || end.ExitCode == 0 {
				return lookup{}, false
			}
			l.at, l.previous = end.FinishedAt.Time, !current
		}
		log, ok = p.LastLog(pod, status)
	case running == nil:
		return lookup{}, false
	case init && !cluster.IsSidecar(container):
		if p.Since(running.StartedAt.Time) < initWait {
			return lookup{}, false
		}
		log, ok = p.Log(pod, status.Name, false)
	case p.ContainerFault(pod, status) == cluster.ReadyFault:
		if stage, _ := p.Unready(pod); stage < cluster.Stuck {
			return lookup{}, false
		}
		log, ok = p.Log(pod, status.Name, false)
	default:
		return lookup{}, false
	}
	if !ok {
		return lookup{}, false
	}
	lines := log.Lines()
	lines = lines[max(0, len(lines)-lastLines):]
	for i := len(lines) - 1; i >= 0; i-- {
		found, ok := cluster.FailedLookup(lines[i])
		if !ok {
			if _, _, other := cluster.FailedConnection(lines[i]); other || otherEnd.MatchString(lines[i]) {
				return lookup{}, false // something else came after
			}
			continue
		}
		l.host, l.server, l.answer, l.line = found.Host, found.Server, found.Answer, lines[i]
		l.dependsOn = p.Dependency(pod.Namespace, cluster.Address{Host: l.host})
		return l, true
	}
	return lookup{}, false
}

// otherEnd are the words of an end that no failed look-up leads to.
var otherEnd = regexp.MustCompile(`(?i)panic: runtime error|nil pointer|out of memory|segmentation fault|NullPointerException|(?:Type|Key|Value|Syntax|Import|ModuleNotFound)Error\b|permission denied|address already in use`)

// part tells the containers of a workload apart.
func (l lookup) part() string { return l.status.Name }

// name is how a summary calls the container.
func (l lookup) name() string {
	if _, init, _ := cluster.Container(&l.pod.Spec, l.status.Name); init && !cluster.IsSidecar(l.container) {
		return "Init container " + l.status.Name
	}
	return "Container " + l.status.Name
}

// evidence is the line.
func (l lookup) evidence() analyzers.Evidence {
	path := "current"
	if l.previous {
		path = "previous"
	}
	return analyzers.Evidence{Source: "Log of Pod " + l.pod.Namespace + "/" + l.pod.Name + " container " + l.status.Name, Path: path, Quote: analyzers.QuoteHead(l.line), At: l.at}
}

// namesService reports whether the name is one that only the cluster's DNS has.
func (l lookup) namesService() bool {
	return l.dependsOn.Service != nil || !l.dependsOn.Missing.IsZero() || strings.Contains(l.host+".", ".svc.")
}

// finding is what all findings about a look-up have in common.
func (l lookup) finding(code analyzers.Code, summary string, more ...analyzers.Evidence) analyzers.Finding {
	return analyzers.Finding{
		Code: code, Subject: l.subject, Part: l.part(), Affected: []analyzers.Ref{cluster.RefOf(l.pod)},
		Summary:  analyzers.Line(summary, analyzers.MaxSummary),
		Evidence: append([]analyzers.Evidence{l.evidence()}, more...),
	}
}
