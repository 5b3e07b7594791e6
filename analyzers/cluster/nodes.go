package cluster

import corev1 "k8s.io/api/core/v1"

// NodeReady reports whether a node counts as ready; one of which nobody has said otherwise
// does.
func NodeReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return true
}
