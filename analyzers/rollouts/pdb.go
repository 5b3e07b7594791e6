package rollouts

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DisruptionBudget finds budgets that no drain gets past.
var DisruptionBudget = &analyzers.Analyzer{
	Name: "rollouts/disruption-budget",
	Doc: `PodDisruptionBudgets that allow no eviction, so that a drain hangs

By its own numbers, with all pods well; or because pods are not ready, which follows from
their fault; or because two budgets cover the same pods, which eviction does not support.`,
	Needs: []schema.GroupKind{cluster.DisruptionBudgets, cluster.Pods, cluster.Nodes},
	Emits: []analyzers.Code{drainBlocked},
	Run:   disruptionBudgets,
}

func disruptionBudgets(p *analyzers.Pass) error {
	covered := map[*corev1.Pod]*policyv1.PodDisruptionBudget{}
	for pdb := range cluster.Scoped[*policyv1.PodDisruptionBudget](p.Snapshot) {
		// A database operator keeps a budget for its primary that allows nothing, and
		// switches over by itself when a node is drained.
		if _, _, owned := p.Owner(pdb); owned || pdb.DeletionTimestamp != nil {
			continue
		}
		pods := budgetPods(p.Snapshot, pdb)
		overlap(p, pdb, pods, covered)
		if st := pdb.Status; len(pods) > 0 && st.ExpectedPods > 0 && st.ObservedGeneration >= pdb.Generation && st.DisruptionsAllowed == 0 {
			judgeBudget(p, pdb, pods)
		}
	}
	return nil
}

// budgetPods are the pods that a budget is about; an empty selector means all.
func budgetPods(s *cluster.Snapshot, pdb *policyv1.PodDisruptionBudget) []*corev1.Pod {
	sel := labels.Nothing()
	if pdb.Spec.Selector != nil {
		var err error
		if sel, err = metav1.LabelSelectorAsSelector(pdb.Spec.Selector); err != nil {
			return nil
		}
	}
	return slices.DeleteFunc(s.PodsSelected(pdb.Namespace, sel), func(pod *corev1.Pod) bool {
		return cluster.PodFinished(pod) || pod.DeletionTimestamp != nil
	})
}

// desired is how many pods must stay, as the controller works it out from spec and the
// expected number (k8s.io/kubernetes pkg/controller/disruption/disruption.go,
// getExpectedPodCount).
func desired(pdb *policyv1.PodDisruptionBudget) (n int32, text string, ok bool) {
	expected := int(pdb.Status.ExpectedPods)
	switch {
	case pdb.Spec.MaxUnavailable != nil:
		m, err := intstr.GetScaledValueFromIntOrPercent(pdb.Spec.MaxUnavailable, expected, true)
		return max(int32(expected-m), 0), "maxUnavailable " + pdb.Spec.MaxUnavailable.String(), err == nil
	case pdb.Spec.MinAvailable != nil:
		m, err := intstr.GetScaledValueFromIntOrPercent(pdb.Spec.MinAvailable, expected, true)
		return int32(m), "minAvailable " + pdb.Spec.MinAvailable.String(), err == nil
	}
	return 0, "", false
}

func judgeBudget(p *analyzers.Pass, pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod) {
	must, text, ok := desired(pdb)
	if !ok {
		return
	}
	ref, st := cluster.RefOf(pdb), pdb.Status
	f := analyzers.Finding{
		Code:    drainBlocked,
		Subject: ref,
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "status.disruptionsAllowed", Quote: fmt.Sprintf("disruptionsAllowed: 0; %d healthy, %d must stay, %d expected", st.CurrentHealthy, must, st.ExpectedPods)},
		},
	}
	root := p.Root(pods[0])
	switch {
	case must >= st.ExpectedPods && must < wanted(p.Snapshot, pods):
		return // pods are missing that the workload is to have, which is another fault
	case must >= st.ExpectedPods:
		f.Summary = fmt.Sprintf("Budget never allows a pod of %s %s to be evicted: %s with %s", root.Kind, root.Name, text, plural(st.ExpectedPods, "pod", "", "s"))
		f.Fixes = relax(p, pdb, root, text)
	case st.CurrentHealthy <= must && st.CurrentHealthy < st.ExpectedPods:
		pod, why, stage := sick(p.Snapshot, pods)
		if stage < cluster.Stuck {
			return // an update or a drain at work
		}
		f.Summary = fmt.Sprintf("No pod of %s %s may be evicted while others are not ready: %s", root.Kind, root.Name, why)
		f.CausedBy = []analyzers.Ref{p.Root(pod)}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.conditions[Ready]", Quote: readyText(pod, why), At: readySince(pod)})
		f.Fixes = evictUnhealthy(p, pdb)
	default:
		return
	}
	if node := cordoned(p.Snapshot, pods); node != "" {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Node " + node, Path: "spec.unschedulable", Quote: "unschedulable: true, and a pod of the budget is there"})
	}
	p.Report(f)
}

// wanted is how many pods the workloads of a budget are to have. With a number for
// minAvailable the controller expects only those that exist.
func wanted(s *cluster.Snapshot, pods []*corev1.Pod) int32 {
	sum, seen := int32(0), map[analyzers.Ref]bool{}
	for _, pod := range pods {
		ref := s.Root(pod)
		if seen[ref] {
			continue
		}
		seen[ref] = true
		n := int32(1)
		if o := s.RootObject(pod); o != nil {
			if r, ok := cluster.Replicas(o); ok {
				n = r
			}
		}
		sum += n
	}
	return sum
}

// relax lets one pod go at a time; of a single pod that is an outage, so a second one
// comes first.
func relax(p *analyzers.Pass, pdb *policyv1.PodDisruptionBudget, root analyzers.Ref, text string) []analyzers.Fix {
	var out []analyzers.Fix
	if pdb.Status.ExpectedPods == 1 && pdb.Spec.MinAvailable != nil && (root.Kind == "Deployment" || root.Kind == "StatefulSet") {
		out = append(out, analyzers.Fix{
			Why:  "Run a second pod, so that one may go, if the program can run twice",
			Argv: p.Kubectl(pdb.Namespace, "scale", root.Short(), "--replicas=2"),
		})
	}
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"minAvailable": nil, "maxUnavailable": 1}})
	return append(out, analyzers.Fix{
		Why:   fmt.Sprintf("Let one pod at a time go, instead of %s", text),
		Argv:  p.Kubectl(pdb.Namespace, "patch", "poddisruptionbudget", pdb.Name, "--type", "merge", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(pdb), Data: data},
	})
}

func evictUnhealthy(p *analyzers.Pass, pdb *policyv1.PodDisruptionBudget) []analyzers.Fix {
	if u := pdb.Spec.UnhealthyPodEvictionPolicy; u != nil && *u == policyv1.AlwaysAllow {
		return nil
	}
	return []analyzers.Fix{{
		Why: "Let pods that are not ready be evicted, so that a drain gets past them",
		Argv: p.Kubectl(pdb.Namespace, "patch", "poddisruptionbudget", pdb.Name, "--type", "merge", "-p",
			`{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}`),
	}}
}

// sick is the pod that is the furthest beyond its time to be ready.
func sick(s *cluster.Snapshot, pods []*corev1.Pod) (first *corev1.Pod, why string, stage cluster.Stage) {
	for _, pod := range pods {
		if st, w := s.Unready(pod); st > stage {
			first, why, stage = pod, w, st
		}
	}
	return first, why, stage
}

// cordoned is a node that takes no more pods, as during a drain, and has one of these.
func cordoned(s *cluster.Snapshot, pods []*corev1.Pod) string {
	for _, pod := range pods {
		if node, ok := cluster.Find[*corev1.Node](s, "", pod.Spec.NodeName); ok && node.Spec.Unschedulable {
			return node.Name
		}
	}
	return ""
}

// overlap reports pods under more than one budget: the API server refuses to evict them
// at all (k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go: "This pod has more
// than one PodDisruptionBudget, which the eviction subresource does not support.").
func overlap(p *analyzers.Pass, pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod, covered map[*corev1.Pod]*policyv1.PodDisruptionBudget) {
	for _, pod := range pods {
		other := covered[pod]
		if other == nil {
			covered[pod] = pdb
			continue
		}
		ref, root := cluster.RefOf(pdb), p.Root(pod)
		p.Report(analyzers.Finding{
			Code:     drainBlocked,
			Subject:  ref,
			Part:     other.Name,
			Affected: []analyzers.Ref{cluster.RefOf(pod)},
			Summary:  fmt.Sprintf("Pods of %s %s are under two budgets, %s and %s, so the API server refuses to evict them", root.Kind, root.Name, other.Name, pdb.Name),
			Evidence: []analyzers.Evidence{
				{Source: ref.String(), Path: "spec.selector", Quote: "selector: " + metav1.FormatLabelSelector(pdb.Spec.Selector)},
				{Source: cluster.RefOf(other).String(), Path: "spec.selector", Quote: "selector: " + metav1.FormatLabelSelector(other.Spec.Selector)},
			},
			Fixes: []analyzers.Fix{{Why: "Take these pods out of the selector of one of the budgets", Argv: p.Kubectl(pdb.Namespace, "edit", "poddisruptionbudget", pdb.Name)}},
		})
	}
}
