package rollouts

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DaemonSet finds updates of DaemonSets that stand still.
var DaemonSet = &analyzers.Analyzer{
	Name: "rollouts/daemon-set",
	Doc: `DaemonSets whose update is stuck

Behind new pods that are not ready: the controller replaces no more while as many as
maxUnavailable allows are not. Or by the strategy OnDelete, until a person acts.`,
	Needs: []schema.GroupKind{cluster.DaemonSets},
	Emits: []analyzers.Code{daemonSetStuck},
	Run:   daemonSets,
}

func daemonSets(p *analyzers.Pass) error {
	for set := range cluster.Scoped[*appsv1.DaemonSet](p.Snapshot) {
		st := set.Status
		if _, _, owned := p.Owner(set); owned || set.DeletionTimestamp != nil || st.ObservedGeneration < set.Generation {
			continue
		}
		if st.UpdatedNumberScheduled >= st.DesiredNumberScheduled {
			continue
		}
		if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			onDelete(p, set)
		} else {
			standing(p, set)
		}
	}
	return nil
}

func onDelete(p *analyzers.Pass, set *appsv1.DaemonSet) {
	ref := cluster.RefOf(set)
	p.Report(analyzers.Finding{
		Code:     daemonSetStuck,
		Severity: analyzers.Warning,
		Subject:  ref,
		Summary:  fmt.Sprintf("Update waits for the old pods to be deleted by hand (strategy OnDelete): %d of %d pods are new", set.Status.UpdatedNumberScheduled, set.Status.DesiredNumberScheduled),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "spec.updateStrategy.type", Quote: "updateStrategy.type: OnDelete"}},
		Fixes: []analyzers.Fix{{
			Why:  "Let the controller replace the pods one by one",
			Argv: p.Kubectl(set.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", `{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}`),
		}},
	})
}

// standing reports the pods that use up what maxUnavailable allows. Old pods that are not
// ready are replaced before all others (k8s.io/kubernetes pkg/controller/daemon/update.go,
// rollingUpdate): only new ones hold the update up.
func standing(p *analyzers.Pass, set *appsv1.DaemonSet) {
	newest := newestHash(p.Snapshot, set)
	var first *corev1.Pod
	var why string
	stage, unready := cluster.Ready, 0
	for _, pod := range p.PodsOf(set) {
		if newest != "" && pod.Labels[appsv1.ControllerRevisionHashLabelKey] != newest {
			continue
		}
		st, w := p.Unready(pod)
		if st >= cluster.Late {
			unready++
		}
		if st > stage {
			first, why, stage = pod, w, st
		}
	}
	if stage < cluster.Late || newest == "" || unready < maxUnavailable(set) {
		return
	}
	ref := cluster.RefOf(set)
	f := analyzers.Finding{
		Code:     daemonSetStuck,
		Subject:  ref,
		Affected: []analyzers.Ref{cluster.RefOf(first)},
		Summary:  fmt.Sprintf("Update is stuck at %d of %d pods: %s", set.Status.UpdatedNumberScheduled, set.Status.DesiredNumberScheduled, why),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(first).String(), Path: "status.conditions[Ready]", Quote: readyText(first, why), At: readySince(first)},
			{Source: ref.String(), Path: "spec.updateStrategy.rollingUpdate.maxUnavailable", Quote: fmt.Sprintf("maxUnavailable: %d", maxUnavailable(set))},
		},
		Fixes: rollback(p, set),
	}
	if stage == cluster.Late {
		f.Severity = analyzers.Warning
	}
	p.Report(f)
}

// newestHash is the hash label of the pods of the present template. Without the
// ControllerRevisions it is that of the youngest pod.
func newestHash(s *cluster.Snapshot, set *appsv1.DaemonSet) string {
	if list := s.Revisions(set); len(list) > 0 {
		return list[0].Object.GetLabels()[appsv1.ControllerRevisionHashLabelKey]
	}
	var youngest *corev1.Pod
	for _, pod := range s.PodsOf(set) {
		if youngest == nil || pod.CreationTimestamp.After(youngest.CreationTimestamp.Time) {
			youngest = pod
		}
	}
	if youngest == nil {
		return ""
	}
	return youngest.Labels[appsv1.ControllerRevisionHashLabelKey]
}

func maxUnavailable(set *appsv1.DaemonSet) int {
	r := set.Spec.UpdateStrategy.RollingUpdate
	if r == nil || r.MaxUnavailable == nil {
		return 1 // the API's default
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(r.MaxUnavailable, int(set.Status.DesiredNumberScheduled), true)
	if err != nil || n < 1 {
		return 1
	}
	return n
}
