package crashes

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// longInit is how long an init container may be at work before it is worth a look: a
	// migration or a download takes its time.
	longInit = 5 * time.Minute
	// longWait is how long it may wait for something else that is just being started.
	longWait = time.Minute
	// saidAgain is how many of its last lines say that it waits, and for the same thing.
	lastLines, saidAgain = 6, 2
)

// InitStuck reports init containers that do not come to an end: at once when their log
// keeps saying what they wait for, after some minutes otherwise.
var InitStuck = &analyzers.Analyzer{
	Name:  "crashes/init-stuck",
	Doc:   "init containers that run for minutes or wait for something that does not come",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Services, cluster.EndpointSlices},
	Emits: []analyzers.Code{initStuck},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
				continue
			}
			for _, status := range pod.Status.InitContainerStatuses {
				c := newCrash(p.Snapshot, pod, status)
				if status.State.Running != nil && c.init && !p.Crashing(pod, status) {
					reportStuck(p, c, status.State.Running.StartedAt.Time)
				}
			}
		}
		return nil
	},
}

func reportStuck(p *analyzers.Pass, c crash, since time.Time) {
	running := p.Since(since)
	if running < longWait {
		return
	}
	state := analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: c.path() + ".state.running.startedAt", Quote: "startedAt: " + since.UTC().Format(time.RFC3339), At: since}
	f := analyzers.Finding{Code: initStuck, Subject: c.subject, Part: c.status.Name, Affected: []analyzers.Ref{cluster.RefOf(c.pod)}}
	log, _ := p.Log(c.pod, c.status.Name, false)
	lines := log.Lines()
	readLog := analyzers.Fix{Why: "Show what the init container does", Argv: p.Kubectl(c.pod.Namespace, "logs", c.pod.Name, "-c", c.status.Name, "--tail=100")}
	if a, how, line, ok := waitsFor(p, c.pod.Namespace, lines); ok {
		l := newLink(p.Snapshot, c.pod.Namespace, a, how, time.Time{}).heard(p.Snapshot, line)
		f.Summary = analyzers.Line(fmt.Sprintf("%s waits for %s: %s", c.name(), a, waiting(p, l)), analyzers.MaxSummary)
		f.Evidence = append([]analyzers.Evidence{quoteLine(c, line), state}, l.evidence()...)
		f.CausedBy, f.Shared = l.behind(p)
		f.Fixes = append(l.fixes(p, c), readLog)
		p.Report(f)
		return
	}
	if running < longInit {
		return
	}
	f.Severity = analyzers.Warning // it may well be at work
	f.Summary = analyzers.Line(fmt.Sprintf("%s has been running for %s, and its pod waits for it to end", c.name(), strings.TrimSuffix(running.Round(time.Minute).String(), "0s")), analyzers.MaxSummary)
	f.Evidence = []analyzers.Evidence{state}
	if len(lines) > 0 && !gone(log) {
		f.Evidence = append(f.Evidence, quoteLine(c, lines[len(lines)-1]))
	}
	f.Fixes = []analyzers.Fix{readLog}
	p.Report(f)
}

func quoteLine(c crash, line string) analyzers.Evidence {
	return reason{Decision: Decision{Line: line}, source: "Log of Pod " + c.pod.Namespace + "/" + c.pod.Name + " container " + c.status.Name, path: "current"}.evidence(crash{pod: c.pod, end: &corev1.ContainerStateTerminated{}})[0]
}

var (
	waitWords = regexp.MustCompile(`(?i)\bwait|unavailable|not ready|not (?:yet )?(?:available|reachable|up|running)|retry|sleeping|no response|trying|still`)
	waitName  = regexp.MustCompile(`(?i)wait\w* (?:for|on|until) (?:the )?(?:service |host |database |db |server )?["']?([a-z0-9][a-z0-9.-]*[a-z0-9])`)
)

// waitsFor finds what the last lines of a log say, more than once, that they wait for.
func waitsFor(p *analyzers.Pass, namespace string, lines []string) (a cluster.Address, how cluster.Outage, line string, ok bool) {
	seen := map[cluster.Address]int{}
	for i := len(lines) - 1; i >= max(0, len(lines)-lastLines); i-- {
		at, outage, found := waitLine(p, namespace, parse(lines[i]).message, parse(lines[i]).text)
		if !found {
			continue
		}
		if seen[at]++; line == "" {
			a, how, line = at, outage, lines[i]
		}
	}
	return a, how, line, line != "" && seen[a] >= saidAgain
}

func waitLine(p *analyzers.Pass, namespace, message, text string) (cluster.Address, cluster.Outage, bool) {
	for _, s := range []string{message, text} {
		if a, how, ok := cluster.FailedConnection(s); ok {
			return a, how, true
		}
	}
	if !waitWords.MatchString(text) {
		return cluster.Address{}, "", false
	}
	if a, ok := cluster.AddressIn(text); ok {
		return a, cluster.ConnFailed, true
	}
	if m := waitName.FindStringSubmatch(text); m != nil {
		a := cluster.Address{Host: strings.ToLower(m[1])}
		if d := p.Dependency(namespace, a); d.Service != nil {
			return a, cluster.ConnFailed, true
		}
	}
	return cluster.Address{}, "", false
}

// waiting says how what is waited for is.
func waiting(p *analyzers.Pass, l link) string {
	switch {
	case !l.Missing.IsZero():
		return l.missing(p)
	case l.Service == nil:
		return l.outside(p)
	case !l.known:
		return "its state was not read"
	case l.ready == 0:
		return l.service() + " has no ready endpoint"
	case !l.port:
		return fmt.Sprintf("%s has only port %s", l.service(), ports(l.Service))
	}
	return l.service() + " has ready endpoints, so it is not reached"
}
