package scheduling

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A rollout stands between two revisions of a Deployment.
type rollout struct {
	deployment     *appsv1.Deployment
	makesRoom      *corev1.Pod // an old pod whose leaving would let the new one fit
	maxUnavailable int
	maxSurge       int
	stuck          bool // the controller may take no old pod away
}

// rollout looks whether the pod is of the newest revision of a rolling update, and
// would fit in the place of an old pod of the same Deployment.
func (q *inquiry) rollout() (rollout, bool) {
	d, ok := q.owner.(*appsv1.Deployment)
	movable := q.v.kind >= byAffinity && q.v.kind <= byRoom || q.v.kind == byUse
	if !ok || d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || !movable {
		return rollout{}, false
	}
	_, o, _ := q.Owner(q.pod)
	newest, ok := o.(*appsv1.ReplicaSet)
	if !ok {
		return rollout{}, false
	}
	all := 0
	for _, o := range q.Owned(d) {
		if rs, ok := o.(*appsv1.ReplicaSet); ok {
			all += int(size(rs))
			if revision(rs) > revision(newest) {
				return rollout{}, false
			}
		}
	}
	r := rollout{deployment: d}
	want := 1
	if d.Spec.Replicas != nil {
		want = int(*d.Spec.Replicas)
	}
	r.maxSurge, r.maxUnavailable = fenceposts(d, want)
	// k8s.io/kubernetes pkg/controller/deployment/rolling.go, reconcileOldReplicaSets.
	unavailable := int(size(newest)) - int(newest.Status.AvailableReplicas)
	r.stuck = all-(want-r.maxUnavailable)-unavailable <= 0
	tried := map[string]bool{}
	for _, old := range q.PodsOf(d) {
		_, owner, _ := q.Owner(old)
		n := q.ev.byName[old.Spec.NodeName]
		if owner == nil || owner.GetUID() == newest.UID || n == nil || tried[n.node.Name] || cluster.PodFinished(old) || len(tried) >= maxTried {
			continue
		}
		tried[n.node.Name] = true
		if row := q.ev.request(q.pod, map[*corev1.Pod]bool{old: true}).row(n); len(row.Rejections) == 0 {
			r.makesRoom = old
			return r, true
		}
	}
	return rollout{}, false
}

// maxTried bounds the nodes on which an old pod is thought away: one is enough.
const maxTried = 20

func size(rs *appsv1.ReplicaSet) int32 {
	if rs.Spec.Replicas == nil {
		return 1
	}
	return *rs.Spec.Replicas
}

// revision orders ReplicaSets by age of their template; numbers compare by length first.
func revision(rs *appsv1.ReplicaSet) string {
	return fmt.Sprintf("%12s", rs.Annotations["deployment.kubernetes.io/revision"])
}

// fenceposts follows k8s.io/kubernetes pkg/controller/deployment/util/deployment_util.go,
// ResolveFenceposts: percentages of surge are rounded up, of unavailable ones down.
func fenceposts(d *appsv1.Deployment, want int) (surge, unavailable int) {
	quarter := intstr.FromString("25%")
	s, u := &quarter, &quarter
	if ru := d.Spec.Strategy.RollingUpdate; ru != nil {
		if ru.MaxSurge != nil {
			s = ru.MaxSurge
		}
		if ru.MaxUnavailable != nil {
			u = ru.MaxUnavailable
		}
	}
	surge, _ = intstr.GetScaledValueFromIntOrPercent(s, want, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(u, want, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// oldPodGoes reports whether the rollout helps itself: the controller may take away an
// old pod, and then the new one fits.
func (q *inquiry) oldPodGoes() bool {
	r, ok := q.rollout()
	return ok && !r.stuck
}

// surgeFinding is a deadlock: the new pod waits for the place of an old one, and the old
// one may not leave before the new one runs.
func (q *inquiry) surgeFinding() (analyzers.Finding, bool) {
	r, ok := q.rollout()
	if !ok || r.maxUnavailable != 0 {
		return analyzers.Finding{}, false
	}
	node := r.makesRoom.Spec.NodeName
	row := q.row(node)
	f := analyzers.Finding{
		Code:    surgeNoCapacity,
		Summary: fmt.Sprintf("The new pod fits only in place of an old one on node %s, but maxUnavailable 0 lets none leave: %s", node, row.Rejections[0].Reason),
		Evidence: []analyzers.Evidence{
			{Source: q.root.String(), Path: "spec.strategy.rollingUpdate", Quote: fmt.Sprintf("maxSurge: %s, maxUnavailable: %s of %s", strategyText(r.deployment, true), strategyText(r.deployment, false), podsText(r.deployment))},
			{Source: nodeRef(node).String(), Path: string(row.Rejections[0].Filter), Quote: row.Rejections[0].Reason},
			{Source: cluster.RefOf(r.makesRoom).String(), Path: "spec.nodeName", Quote: node},
		},
	}
	if len(f.Summary) > 160 {
		f.Summary = fmt.Sprintf("The new pod fits only in place of an old one on node %s, but maxUnavailable 0 lets none leave", node)
	}
	f.Evidence = append(f.Evidence, q.elsewhere([]string{node})...)
	f.Fixes = []analyzers.Fix{
		q.patch("Let the rollout stop an old pod before the new one runs", q.root, map[string]any{"spec": map[string]any{"strategy": map[string]any{
			"rollingUpdate": map[string]any{"maxUnavailable": 1, "maxSurge": 0}}}}),
		{Why: "Roll back until there is room for one pod more, if a gap is not acceptable", Argv: q.Kubectl(q.root.Namespace, "rollout", "undo", q.root.Short())},
	}
	return f, true
}

func podsText(d *appsv1.Deployment) string {
	if n, _ := cluster.Replicas(d); n != 1 {
		return fmt.Sprintf("%d pods", n)
	}
	return "1 pod"
}

func strategyText(d *appsv1.Deployment, surge bool) string {
	ru := d.Spec.Strategy.RollingUpdate
	switch {
	case ru != nil && surge && ru.MaxSurge != nil:
		return ru.MaxSurge.String()
	case ru != nil && !surge && ru.MaxUnavailable != nil:
		return ru.MaxUnavailable.String()
	}
	return "25%"
}
