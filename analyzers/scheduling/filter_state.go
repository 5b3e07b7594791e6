package scheduling

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func (r *request) nodeName(n *nodeState, out []Rejection) []Rejection {
	if want := r.pod.Spec.NodeName; want != "" && want != n.node.Name {
		out = append(out, Rejection{Filter: NodeName, kind: bySelector, Reason: "the pod names node " + want})
	}
	return out
}

// unschedulable is the cordon; a toleration of its taint lifts it (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go).
func (r *request) unschedulable(n *nodeState, out []Rejection) []Rejection {
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	if n.node.Spec.Unschedulable && !tolerates(r.pod.Spec.Tolerations, &cordon) {
		out = append(out, Rejection{Filter: NodeUnschedulable, kind: byState, Reason: "the node is cordoned", taint: &cordon})
	}
	return out
}

// taints reports every taint that the pod does not tolerate; the scheduler stops at the
// first (plugins/tainttoleration/taint_toleration.go). PreferNoSchedule turns no node down.
func (r *request) taints(n *nodeState, out []Rejection) []Rejection {
	for i := range n.node.Spec.Taints {
		t := &n.node.Spec.Taints[i]
		if t.Effect != corev1.TaintEffectNoSchedule && t.Effect != corev1.TaintEffectNoExecute || tolerates(r.pod.Spec.Tolerations, t) {
			continue
		}
		if t.Key == corev1.TaintNodeUnschedulable && n.node.Spec.Unschedulable {
			continue // the same cordon, said twice
		}
		out = append(out, Rejection{Filter: TaintToleration, kind: taintKind(t), Reason: "the pod does not tolerate the taint " + taintText(t), taint: t})
	}
	return out
}

func tolerates(list []corev1.Toleration, t *corev1.Taint) bool {
	return slices.ContainsFunc(list, func(have corev1.Toleration) bool { return toleratesOne(&have, t) })
}

// toleratesOne is Toleration.ToleratesTaint of k8s.io/api core/v1 toleration.go, which
// wants a logger. The operators Lt and Gt are off by default in 1.37 (feature gate
// TaintTolerationComparisonOperators), and then they tolerate nothing.
func toleratesOne(have *corev1.Toleration, t *corev1.Taint) bool {
	if have.Effect != "" && have.Effect != t.Effect || have.Key != "" && have.Key != t.Key {
		return false
	}
	switch have.Operator {
	case "", corev1.TolerationOpEqual:
		return have.Value == t.Value
	case corev1.TolerationOpExists:
		return true
	}
	return false
}

// taintKind tells a taint that says how the node is from one that says whom it is for.
func taintKind(t *corev1.Taint) kind {
	switch {
	case t.Key == "node-role.kubernetes.io/control-plane", t.Key == "node-role.kubernetes.io/master", t.Key == "node-role.kubernetes.io/etcd":
		return byControlPlane
	case passing(t.Key):
		return byState
	}
	return byTaint
}

// passing are taints that come and go by themselves: conditions of the node
// (k8s.io/api core/v1 well_known_taints.go), a cloud provider or network agent that has
// not set it up yet, an autoscaler that removes it.
func passing(key string) bool {
	return strings.HasPrefix(key, "node.kubernetes.io/") || strings.HasPrefix(key, "node.cloudprovider.kubernetes.io/") ||
		strings.HasSuffix(key, "/agent-not-ready") || strings.HasSuffix(key, "/uninitialized") ||
		key == "ToBeDeletedByClusterAutoscaler" || key == "karpenter.sh/unregistered" || key == "karpenter.sh/disrupted"
}

// taintText is a taint as kubectl writes it.
func taintText(t *corev1.Taint) string {
	s := t.Key
	if t.Value != "" {
		s += "=" + t.Value
	}
	return s + ":" + string(t.Effect)
}
