package cluster

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Log is the end of one container's log.
type Log struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Previous  bool   `json:"previous,omitempty"` // of the run before the present one
	Text      string `json:"text,omitempty"`
	Truncated bool   `json:"truncated,omitempty"` // older lines exist
	Why       string `json:"why,omitempty"`       // why it could not be read
}

// Lines are the lines of the log, oldest first, without empty ones.
func (l Log) Lines() []string {
	var out []string
	for line := range strings.SplitSeq(l.Text, "\n") {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) != "" {
			out = append(out, line)
		}
	}
	return out
}

func (l Log) key() containerKey {
	return containerKey{types.NamespacedName{Namespace: l.Namespace, Name: l.Pod}, l.Container, l.Previous}
}

// Log returns what was read of a container's log; ok is false when nothing was.
func (s *Snapshot) Log(pod *corev1.Pod, container string, previous bool) (Log, bool) {
	l, ok := s.logs[containerKey{types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, container, previous}]
	return l, ok && l.Text != ""
}

// Logs returns all logs, ordered by pod, container and run.
func (s *Snapshot) Logs() []Log { return sortedLogs(s.logs) }

func sortedLogs(m map[containerKey]Log) []Log {
	out := make([]Log, 0, len(m))
	for _, l := range m {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Log) int {
		prev := 0
		if a.Previous != b.Previous {
			prev = 1
			if b.Previous {
				prev = -1
			}
		}
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container), prev)
	})
	return out
}
