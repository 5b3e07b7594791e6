package crashes

import (
	"strings"
	"time"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A reason is what a crash's log, or its termination message, says about its end.
type reason struct {
	Decision
	source string // of the evidence
	path   string
	why    string // why there is no log, when there is none
}

// known reports whether a line tells why the process ended.
func (r reason) known() bool { return r.Kind != KindUnknown }

// reasons gives each crash its reason, in the order of list. Logs are read of a few pods
// of a workload only: a crash without one takes that of a sibling that ended with the same
// code.
func reasons(p *analyzers.Pass, list []crash) []reason {
	type key struct {
		subject analyzers.Ref
		name    string
		code    int32
	}
	out := make([]reason, len(list))
	best := map[key]reason{}
	for i, c := range list {
		out[i] = reasonOf(p.Snapshot, c)
		k := key{c.subject, c.status.Name, c.end.ExitCode}
		if _, have := best[k]; !have && out[i].known() {
			best[k] = out[i]
		}
	}
	for i, c := range list {
		if r, ok := best[key{c.subject, c.status.Name, c.end.ExitCode}]; ok && !out[i].known() && out[i].Line == "" {
			out[i] = r
		}
	}
	return out
}

// reasonOf reads the log of the run that ended. While the next run goes on and the log of
// the ended one is gone, the present log serves if it already tells of a failure: the
// process may have ended since the pod's status was read.
func reasonOf(s *cluster.Snapshot, c crash) reason {
	r := reason{Decision: Decision{Kind: KindUnknown}, path: "previous"}
	for _, previous := range []bool{!c.current, c.current} {
		l, ok := s.Log(c.pod, c.status.Name, previous)
		if r.why == "" {
			r.why = l.Why
		}
		if !ok || gone(l) {
			continue
		}
		d, ok := Decisive(l.Lines())
		present := !previous && c.status.State.Running != nil
		if !ok || present && d.Kind == KindUnknown {
			continue
		}
		path := "previous"
		if !previous {
			path = "current"
		}
		return reason{Decision: d, path: path, source: "Log of Pod " + c.pod.Namespace + "/" + c.pod.Name + " container " + c.status.Name}
	}
	if d, ok := Decisive(strings.Split(c.end.Message, "\n")); ok {
		state := ".lastState.terminated.message"
		if c.current {
			state = ".state.terminated.message"
		}
		return reason{Decision: d, path: c.path() + state, source: cluster.RefOf(c.pod).String()}
	}
	return r
}

// gone reports whether the log is only the kubelet's word that there is none any more
// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go, GetContainerLogs).
func gone(l cluster.Log) bool {
	lines := l.Lines()
	return len(lines) == 0 || len(lines) == 1 && strings.Contains(lines[0], "unable to retrieve container logs for ")
}

// evidence is the line, then the termination message if it says something else.
func (r reason) evidence(c crash) []analyzers.Evidence {
	var out []analyzers.Evidence
	if r.Line != "" {
		line, at := r.Line, time.Time{}
		if stamp := kubeletTime.FindString(line); stamp != "" {
			if t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(stamp)); err == nil {
				line, at = line[len(stamp):], t.UTC()
			}
		}
		out = append(out, analyzers.Evidence{Source: r.source, Path: r.path, Quote: analyzers.QuoteHead(line), At: at})
	}
	if m := analyzers.Line(c.end.Message, analyzers.MaxQuote); m != "" && !strings.HasSuffix(r.path, ".message") && !strings.Contains(m, analyzers.Line(r.Detail, analyzers.MaxQuote)) {
		out = append(out, analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: c.path() + ".terminated.message", Quote: m})
	}
	return out
}
