package scheduling

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

func TestParseWords(t *testing.T) {
	for _, c := range []struct {
		text   string
		nodes  int
		before string
		counts map[string]int
	}{
		{
			"0/6 nodes are available: 2 node(s) had untolerated taint(s), 4 node(s) didn't match Pod's node affinity/selector. preemption: 0/6 nodes are available: 6 Preemption is not helpful for scheduling.",
			6, "", map[string]int{"node(s) had untolerated taint(s)": 2, "node(s) didn't match Pod's node affinity/selector": 4},
		},
		{
			"0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
			3, "", map[string]int{"Insufficient cpu": 1, "Insufficient nvidia.com/gpu": 2},
		},
		{ // 1.19: the taint and a comma inside a reason
			"0/2 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 1 Insufficient memory.",
			2, "", map[string]int{"node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate": 1, "Insufficient memory": 1},
		},
		{`0/1 nodes are available: persistentvolumeclaim "search-index" not found. not found`, 1, `persistentvolumeclaim "search-index" not found`, nil},
		{"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found", 1, "pod has unbound immediate PersistentVolumeClaims", nil},
		{"no nodes available to schedule pods", -1, "no nodes available to schedule pods", nil},
		{"", -1, "", nil},
	} {
		w := parseWords(c.text)
		if w.nodes != c.nodes || w.before != c.before || !maps.Equal(w.counts, c.counts) {
			t.Errorf("%s\ngot %d, %q, %v", c.text, w.nodes, w.before, w.counts)
		}
	}
}

// TestExplainAgainstScheduler holds the filters against what a real scheduler said in the
// recordings: of each node it counts the first filter that says no.
func TestExplainAgainstScheduler(t *testing.T) {
	files, _ := filepath.Glob("../../evals/scenarios/*/cluster.capture")
	checked := 0
	for _, file := range files {
		s := capture(t, file)
		for pod := range cluster.Scoped[*corev1.Pod](s) { // of other namespaces not all is recorded
			w, said := wordsAbout(s, pod)
			if !said || !turnedDown(pod) || pod.Spec.NodeName != "" {
				continue
			}
			e := Explain(s, pod)
			if w.before != "" {
				if len(e.Everywhere) == 0 {
					t.Errorf("%s: nothing is wrong before any node is looked at, and the scheduler says: %s", file, w.text)
				}
				continue
			}
			checked++
			got, want := map[Filter]int{}, map[Filter]int{}
			for _, row := range e.Rows {
				if len(row.Rejections) > 0 {
					got[row.Rejections[0].Filter]++
				}
			}
			for reason, n := range w.counts {
				f, _, _ := filterOf(reason)
				want[f] += n
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: %v, and the scheduler says: %s", file, fmt.Sprint(got), w.text)
			}
		}
	}
	if len(files) > 0 && checked == 0 {
		t.Error("no recording has a pod that waits for a node")
	}
}

func capture(t *testing.T, file string) *cluster.Snapshot {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := cluster.ReadCapture(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}
