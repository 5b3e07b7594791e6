package nodes

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// joining is how long a new machine may take until it is ready: images of the network's
	// and storage's agents are pulled in this time.
	joining = 3 * time.Minute
	// monitorGrace is after how long without a word the node controller gives a kubelet up
	// (k8s.io/kubernetes pkg/controller/nodelifecycle/config/v1alpha1/defaults.go).
	monitorGrace = 50 * time.Second
	// settling covers a kubelet or an agent that is being restarted.
	settling = 15 * time.Second
)

// nodeKinds are what all reads of node stand on.
var nodeKinds = []schema.GroupKind{cluster.Nodes, cluster.Pods, cluster.Leases}

// A node is a Node with what the checks ask about it.
type node struct {
	*corev1.Node
	ref   cluster.Ref
	ready *corev1.NodeCondition // nil when nobody has written any status
	lease *coordinationv1.Lease // nil when it cannot be seen or the node has none
	// seen is when the kubelet last said anything.
	seen time.Time
	// work are the pods on it that somebody would miss: not those that belong to the node
	// as such, of DaemonSets and static ones, and not finished ones.
	work []*corev1.Pod
}

// nodesOf returns all nodes by name. They serve the whole cluster, whatever the scope is.
func nodesOf(s *cluster.Snapshot) []*node {
	return cluster.Derive(s, "nodes.all", func() []*node {
		var out []*node
		for n := range cluster.All[*corev1.Node](s) {
			one := &node{Node: n, ref: cluster.RefOf(n), ready: condition(n, corev1.NodeReady)}
			if one.ready != nil {
				one.seen = one.ready.LastHeartbeatTime.Time
			}
			if lease, ok := cluster.Find[*coordinationv1.Lease](s, corev1.NamespaceNodeLease, n.Name); ok {
				one.lease = lease
				if t := lease.Spec.RenewTime; t != nil && t.After(one.seen) {
					one.seen = t.Time
				}
			}
			// A kubelet posts a status that has not changed every 5 minutes only: without the lease
			// the time at which the controller gave it up tells more.
			if one.ready != nil && one.lease == nil && one.ready.Status == corev1.ConditionUnknown {
				if at := one.ready.LastTransitionTime.Add(-monitorGrace); at.After(one.seen) {
					one.seen = at
				}
			}
			for _, pod := range s.PodsOn(n.Name) {
				if !cluster.PodFinished(pod) && !ofNode(pod) {
					one.work = append(one.work, pod)
				}
			}
			out = append(out, one)
		}
		return out
	})
}

// ofNode reports whether a pod belongs to its node and is never moved to another one.
func ofNode(pod *corev1.Pod) bool {
	if _, static := pod.Annotations[corev1.MirrorPodAnnotationKey]; static {
		return true
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && (owner.Kind == "DaemonSet" || owner.Kind == "Node")
}

func condition(n *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == t {
			return &n.Status.Conditions[i]
		}
	}
	return nil
}

// isReady reports whether the node counts as well.
func (n *node) isReady() bool { return n.ready != nil && n.ready.Status == corev1.ConditionTrue }

// saysNotReady reports whether a kubelet is at work and has said for a while that its
// node cannot run pods. A new machine, and a kubelet that has just been restarted, say so
// too.
func (n *node) saysNotReady(s *cluster.Snapshot) bool {
	return n.ready != nil && n.ready.Status == corev1.ConditionFalse &&
		s.Since(n.CreationTimestamp.Time) > joining && s.Since(n.ready.LastTransitionTime.Time) > settling
}

// leaving reports whether somebody takes the node out of service: it is cordoned, or an
// autoscaler is about to delete it (kubernetes/autoscaler cluster-autoscaler/utils/taints,
// aws/karpenter pkg/apis/v1/taints.go).
func (n *node) leaving() bool {
	return n.Spec.Unschedulable || n.DeletionTimestamp != nil || slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == "ToBeDeletedByClusterAutoscaler" || t.Key == "karpenter.sh/disrupted" || t.Key == corev1.TaintNodeOutOfService
	})
}

// severity is what a dead node hurts: nothing while it is out of service and empty.
func (n *node) severity() analyzers.Severity {
	switch {
	case len(n.work) > 0:
		return analyzers.Error
	case n.leaving():
		return analyzers.Info
	}
	return analyzers.Warning
}

// affected are the pods that the node's state takes down.
func (n *node) affected() []analyzers.Ref {
	out := make([]analyzers.Ref, len(n.work))
	for i, pod := range n.work {
		out[i] = cluster.RefOf(pod)
	}
	return out
}

func (n *node) conditionEvidence(c *corev1.NodeCondition) analyzers.Evidence {
	quote := string(c.Status) + " " + c.Reason
	if c.Message != "" {
		quote += ": " + c.Message
	}
	return analyzers.Evidence{Source: n.ref.String(), Path: "status.conditions[" + string(c.Type) + "]", Quote: analyzers.Quote(quote), At: c.LastTransitionTime.Time}
}

// statusEvidence is the condition Ready, and that the node takes no new pods.
func (n *node) statusEvidence() []analyzers.Evidence {
	if n.ready == nil {
		return []analyzers.Evidence{{Source: n.ref.String(), Path: "status.conditions", Quote: "no condition Ready", At: n.CreationTimestamp.Time}}
	}
	out := []analyzers.Evidence{n.conditionEvidence(n.ready)}
	if n.Spec.Unschedulable {
		out = append(out, analyzers.Evidence{Source: n.ref.String(), Path: "spec.unschedulable", Quote: "unschedulable: true"})
	}
	return out
}

func describe(p *analyzers.Pass, n *node) analyzers.Fix {
	return analyzers.Fix{Why: "Show the node's conditions, its pods and its last events", Argv: p.Kubectl("", "describe", "node", n.Name)}
}

// onHost is a command for the machine itself, which kubectl does not reach.
func onHost(why string, n *node, command ...string) analyzers.Fix {
	return analyzers.Fix{Why: why, Argv: append([]string{"ssh", n.Name, "sudo"}, command...)}
}

// ago says how long something has lasted, in the unit that people use.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour")
	}
	return plural(int(d.Hours()/24), "day")
}

func plural(n int, unit string) string {
	s := "s"
	if n == 1 {
		s = ""
	}
	return fmt.Sprintf("%d %s%s", n, unit, s)
}
