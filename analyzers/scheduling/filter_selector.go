package scheduling

// nodeAffinity is nodeSelector and required node affinity together (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go). An expression that
// does not parse matches nothing there, and here.
func (r *request) nodeAffinity(n *nodeState, out []Rejection) []Rejection {
	if !r.hasSelector {
		return out
	}
	if ok, _ := r.selector.Match(n.node); ok {
		return out
	}
	return append(out, Rejection{Filter: NodeAffinity, kind: bySelector, Reason: "the node does not match " + selectorText(r.pod)})
}
