package netpol

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// An attempt is a connection that a pod which is not well could not make.
type attempt struct {
	pod      *corev1.Pod
	to       cluster.Address
	how      cluster.Outage
	lookup   cluster.Lookup // when it is a name that could not be looked up
	evidence analyzers.Evidence
	// guessed: the program says that something timed out and not what; this is where a
	// setting of its container sends it.
	guessed string
}

const (
	// maxLines of a log, from its end, tell what is so now.
	maxLines = 40
	// initPatience is what an init container may wait for something.
	initPatience = time.Minute
)

// attempts are those of all pods, once for all checks of this package. A client may be in
// another namespace than the policy that cuts it off: see asked.
func attempts(p *analyzers.Pass) []attempt {
	return cluster.Derive(p.Snapshot, "netpol.attempts", func() []attempt {
		if !policies(p) || reach.Plugin(p.Snapshot).NotEnforced() {
			return nil
		}
		var out []attempt
		for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
			failed := pod.Status.Phase == corev1.PodFailed && pod.DeletionTimestamp == nil && p.Stands(pod)
			if stage, _ := p.Unready(pod); failed || stage >= cluster.Late || waitsLong(p, pod) || crashes(p, pod) {
				out = append(out, ofPod(p, pod)...)
			}
		}
		return out
	})
}

// asked reports whether the user asked about a finding: its subject or who suffers is in
// the scope.
func asked(p *analyzers.Pass, f analyzers.Finding, pod *corev1.Pod) bool {
	return p.InScope(pod.Namespace) || p.InScope(f.Subject.Namespace)
}

// policies reports whether there is a policy at all.
func policies(p *analyzers.Pass) bool {
	for range cluster.All[*networkingv1.NetworkPolicy](p.Snapshot) {
		return true
	}
	return false
}

// crashes reports whether a container of the pod is in a row of crashes. Without a
// readiness probe such a pod is called ready as long as each run lasts.
func crashes(p *analyzers.Pass, pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.ContainerStatuses, func(st corev1.ContainerStatus) bool {
		return st.RestartCount > 0 && p.Crashing(pod, st)
	})
}

// waitsLong reports whether an init container of the pod has been at work for long, which
// no limit of its own ends.
func waitsLong(p *analyzers.Pass, pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.InitContainerStatuses, func(st corev1.ContainerStatus) bool {
		c, _, ok := cluster.Container(&pod.Spec, st.Name)
		return ok && !cluster.IsSidecar(c) && st.State.Running != nil && p.Since(st.State.Running.StartedAt.Time) > initPatience
	})
}

func ofPod(p *analyzers.Pass, pod *corev1.Pod) []attempt {
	var out []attempt
	for _, status := range cluster.ContainerStatuses(pod) {
		fault := p.ContainerFault(pod, status)
		if (fault == cluster.NoFault || fault == cluster.ReadyFault) && p.Crashing(pod, status) {
			fault = cluster.CrashFault
		}
		waits := status.State.Running != nil && fault == cluster.NoFault && !status.Ready
		if fault != cluster.CrashFault && fault != cluster.ReadyFault && !waits {
			continue
		}
		log, ok := p.Log(pod, status.Name, false)
		if fault == cluster.CrashFault {
			log, ok = p.LastLog(pod, status)
		}
		silent := false
		if ok {
			found, timeout := fromLog(pod, status.Name, log)
			out = append(out, found...)
			silent = timeout && len(found) == 0
		}
		if end, _ := cluster.End(status); fault == cluster.CrashFault && end != nil {
			source := analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.containerStatuses[" + status.Name + "].lastState.terminated.message", At: end.FinishedAt.Time}
			if a, ok := fromText(pod, end.Message, source); ok {
				out = append(out, a)
			}
		}
		// An init container waits for what its command names, often without a word.
		if waits || silent {
			out = append(out, fromSettings(pod, status.Name, waits)...)
		}
	}
	return out
}

// fromLog reads a log from its end: the last words about each address count. timeout says
// that it tells of a connection that timed out, wherever to.
func fromLog(pod *corev1.Pod, container string, log cluster.Log) (out []attempt, timeout bool) {
	lines := log.Lines()
	for i := len(lines) - 1; i >= max(0, len(lines)-maxLines); i-- {
		if how, ok := cluster.OutageIn(lines[i]); ok && how == cluster.ConnTimedOut {
			timeout = true
		}
		a, ok := fromText(pod, lines[i], analyzers.Evidence{Source: "Log of " + cluster.RefOf(pod).String() + " container " + container})
		if ok && !slices.ContainsFunc(out, func(b attempt) bool { return a.to == b.to && a.how == b.how }) {
			out = append(out, a)
		}
	}
	return out, timeout
}

func fromText(pod *corev1.Pod, text string, e analyzers.Evidence) (attempt, bool) {
	to, how, ok := cluster.FailedConnection(text)
	if !ok || how == cluster.ConnClosed {
		return attempt{}, false
	}
	e.Quote = analyzers.QuoteHead(strings.TrimSpace(text))
	a := attempt{pod: pod, to: to, how: how, evidence: e}
	if l, ok := cluster.FailedLookup(text); ok {
		a.lookup = l
	}
	return a, true
}

// fromSettings are the addresses in a container's command, arguments and variables.
func fromSettings(pod *corev1.Pod, container string, command bool) []attempt {
	c, _, ok := cluster.Container(&pod.Spec, container)
	if !ok {
		return nil
	}
	var out []attempt
	add := func(path, quote, text, guessed string) {
		if a, ok := cluster.AddressIn(text); ok && a.Port != 0 {
			out = append(out, attempt{pod: pod, to: a, how: cluster.ConnFailed, guessed: guessed, evidence: analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: path, Quote: analyzers.QuoteHead(quote)}})
		}
	}
	if command {
		text := strings.Join(slices.Concat(c.Command, c.Args), " ")
		add("spec container "+container+" command", text, ncForm.ReplaceAllString(text, "$1:$2"), "")
	}
	for i, e := range c.Env {
		value := e.Value
		if host, ok := strings.CutSuffix(e.Name, "_HOST"); ok { // DB_HOST and DB_PORT
			for _, other := range slices.Concat(c.Env[:i], c.Env[i+1:]) {
				if other.Name == host+"_PORT" {
					value += ":" + other.Value
				}
			}
		}
		add("spec container "+container+" env "+e.Name, e.Name+"="+value, value, container)
	}
	return out
}

// ncForm is how a command gives nc or pg_isready a host and a port.
var ncForm = regexp.MustCompile(`([a-z][a-z0-9.-]*) (?:-p )?(\d{2,5})\b`)

// silence reports whether a connection failed as one does that a policy drops. Only some
// plugins answer it with a refusal.
func (a attempt) silence(p *analyzers.Pass) bool {
	switch a.how {
	case cluster.ConnTimedOut, cluster.ConnFailed, cluster.ConnUnreachable:
		return true
	case cluster.ConnRefused:
		return rejects(p)
	}
	return false
}

func rejects(p *analyzers.Pass) bool { return reach.Plugin(p.Snapshot).Rejects }

// unanswered reports whether a name could not be looked up for want of an answer: a name
// server that says that there is no such name has been reached.
func (a attempt) unanswered() bool {
	return a.how == cluster.NameUnknown && a.lookup.Answer != cluster.NoSuchName
}
