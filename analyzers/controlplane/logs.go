package controlplane

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

var apiServer = analyzers.Ref{Kind: "ControlPlane", Name: "kube-apiserver"}

// components are the programs of the control plane, by the label that kubeadm and most
// distributions put on their static pods.
var components = []string{"etcd", "kube-apiserver", manager, "kube-scheduler"}

// A logLine is one line of a control plane pod that says when it was written.
type logLine struct {
	pod       *corev1.Pod
	component string
	container string
	text      string
	at        time.Time
}

func (l logLine) evidence() analyzers.Evidence {
	ref := cluster.RefOf(l.pod)
	return analyzers.Evidence{Source: "Log of " + ref.String() + " container " + l.container, Quote: analyzers.Quote(l.text), At: l.at}
}

// lately is how old a line may be to tell of the present.
const lately = 10 * time.Minute

// lines are the recent lines of the control plane's pods, oldest first in each log. A line
// without a time of its own belongs to the one before and is left out.
func lines(s *cluster.Snapshot) []logLine {
	return cluster.Derive(s, "controlplane.lines", func() []logLine {
		var out []logLine
		for _, component := range components {
			for _, pod := range s.PodsWith(system, map[string]string{"component": component}) {
				for _, c := range pod.Spec.Containers {
					for _, previous := range []bool{true, false} {
						log, _ := s.Log(pod, c.Name, previous)
						for _, text := range log.Lines() {
							if at, ok := stamp(text, s.Now()); ok && s.Now().Sub(at).Abs() < lately {
								out = append(out, logLine{pod, component, c.Name, text, at})
							}
						}
					}
				}
			}
		}
		return out
	})
}

var (
	// k8s.io/klog/v2 internal/serialize: "E1123 09:13:14.665594   24964 file.go:509] …".
	klogHead = regexp.MustCompile(`^[IWEF](\d{4} \d\d:\d\d:\d\d)`)
	// go.uber.org/zap, as etcd and the API server's etcd client set it up.
	zapTime = regexp.MustCompile(`"ts":"([^"]+)"`)
)

// stamp is when a line was written. klog leaves the year and the zone out: the year is
// that of the Snapshot, and control plane images run in UTC.
func stamp(line string, now time.Time) (time.Time, bool) {
	if m := klogHead.FindStringSubmatch(line); m != nil {
		at, err := time.Parse("0102 15:04:05", m[1])
		if err != nil {
			return time.Time{}, false
		}
		at = at.AddDate(now.Year(), 0, 0)
		if at.Sub(now) > 180*24*time.Hour { // of December, and now is January
			at = at.AddDate(-1, 0, 0)
		}
		return at, true
	}
	if m := zapTime.FindStringSubmatch(line); m != nil {
		at, err := time.Parse(time.RFC3339, m[1])
		return at, err == nil
	}
	return time.Time{}, false
}

// findLine returns the newest recent line of these components (of all, for none) that has
// all the words.
func findLine(s *cluster.Snapshot, of []string, words ...string) (logLine, bool) {
	found := matching(s, of, words...)
	if len(found) == 0 {
		return logLine{}, false
	}
	return slices.MaxFunc(found, func(a, b logLine) int { return a.at.Compare(b.at) }), true
}

func matching(s *cluster.Snapshot, of []string, words ...string) []logLine {
	var out []logLine
	for _, l := range lines(s) {
		if len(of) > 0 && !slices.Contains(of, l.component) {
			continue
		}
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(l.text, w) }) {
			out = append(out, l)
		}
	}
	return out
}

// etcdRef is what stands for etcd: its pod, when there is just one.
func etcdRef(s *cluster.Snapshot) analyzers.Ref {
	if pods := s.PodsWith(system, map[string]string{"component": "etcd"}); len(pods) == 1 {
		return cluster.RefOf(pods[0])
	}
	return analyzers.Ref{Kind: "ControlPlane", Name: "etcd"}
}
