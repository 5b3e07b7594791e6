package scheduling

import (
	"encoding/json"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// template is the pod template that a person would edit, or else the pod itself.
func (q *inquiry) template() *corev1.PodSpec {
	if q.owner != nil {
		if t, ok := cluster.Template(q.owner); ok {
			return &t.Spec
		}
	}
	return &q.pod.Spec
}

// change is a fix that changes the pod template: a patch where one is possible. The
// template of a Job and the spec of a bare Pod cannot be changed, and that of a
// controller's own kind is not known.
func (q *inquiry) change(why string, spec map[string]any) analyzers.Fix {
	patch := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}}
	switch q.owner.(type) {
	case *appsv1.Deployment, *appsv1.StatefulSet, *appsv1.DaemonSet, *appsv1.ReplicaSet:
	case *batchv1.CronJob:
		patch = map[string]any{"spec": map[string]any{"jobTemplate": patch}}
	case *batchv1.Job, *corev1.Pod:
		return analyzers.Fix{Why: why + "; delete and recreate the " + q.root.Kind + " to change that"}
	default:
		return analyzers.Fix{Why: why}
	}
	return q.patch(why, q.root, patch)
}

// patch is a fix that patches one object.
func (q *inquiry) patch(why string, target analyzers.Ref, patch map[string]any) analyzers.Fix {
	data, err := json.Marshal(patch)
	if err != nil {
		return analyzers.Fix{Why: why}
	}
	return analyzers.Fix{
		Why: why, Patch: &analyzers.Patch{Target: target, Data: data},
		Argv: q.Kubectl(target.Namespace, "patch", target.Short(), "--type", "strategic", "-p", string(data)),
	}
}

func nodeRef(name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: name}
}

func nodeRefs(names []string) []analyzers.Ref {
	out := make([]analyzers.Ref, len(names))
	for i, n := range names {
		out[i] = nodeRef(n)
	}
	return out
}

// nodesText names nodes: "node a", "nodes a and b", "the 5 nodes a, b, …".
func nodesText(names []string) string {
	switch len(names) {
	case 0:
		return "no node"
	case 1:
		return "node " + names[0]
	case 2:
		return "nodes " + names[0] + " and " + names[1]
	}
	return fmt.Sprintf("%d nodes (%s, %s, …)", len(names), names[0], names[1])
}

// have agrees a verb with nodesText.
func have(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

const maxSentence = 160

// sentence cuts a summary that long names have made too long.
func sentence(s string) string {
	if len(s) <= maxSentence {
		return s
	}
	cut := strings.LastIndexByte(s[:maxSentence-3], ' ')
	if cut < maxSentence/2 {
		cut = maxSentence - 3
	}
	return strings.TrimRight(s[:cut], " ,;:(") + " …"
}

// noneOf says that no node has something, after "and".
func noneOf(ev *evaluator, what string) string {
	if len(ev.nodes) == 1 {
		return fmt.Sprintf("the only node, %s, has no %s", ev.nodes[0].node.Name, what)
	}
	return fmt.Sprintf("none of the %d nodes has %s", len(ev.nodes), what)
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// some lists the first few of many.
func some(list []string, most int) string {
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}
