package config

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// undo is the fix that goes back to the revision before, if that one has ready pods now.
func undo(p *analyzers.Pass, pod *corev1.Pod) []analyzers.Fix {
	root := p.RootObject(pod)
	if root == nil {
		return nil
	}
	revisions := p.Revisions(root)
	if len(revisions) < 2 || revisions[1].Ready == 0 {
		return nil
	}
	ref := cluster.RefOf(root)
	return []analyzers.Fix{{Why: "Roll back to the previous revision, whose pods are ready", Argv: p.Kubectl(ref.Namespace, "rollout", "undo", ref.Short())}}
}
