package dns

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Pending finds DNS servers of the cluster that do not come to run.
var Pending = &analyzers.Analyzer{
	Name: "dns/pending",
	Doc: `CoreDNS pods that no node takes, or whose containers do not start

What keeps a pod from starting is said by other checks when its namespace is in scope;
this one says what it means for the cluster. A cluster without a network plugin shows it
here first.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Services, cluster.Nodes},
	Emits: []analyzers.Code{pending},
	Run: func(p *analyzers.Pass) error {
		for _, s := range servers(p) {
			if s.local || !s.shared || cluster.PodReady(s.pod) {
				continue
			}
			if stage, _ := p.Unready(s.pod); stage != cluster.Stuck {
				continue
			}
			if why, quote, path, ok := unstarted(s.pod); ok {
				s.reportPending(p, why, quote, path)
			}
		}
		return nil
	},
}

// unstarted says why a pod's containers have not run yet.
func unstarted(pod *corev1.Pod) (why, quote, path string, ok bool) {
	if c := cluster.PodCondition(pod, corev1.PodScheduled); pod.Spec.NodeName == "" {
		if c == nil {
			return "no scheduler takes it", "phase: Pending", "status.phase", true
		}
		return "no node takes it", c.Message, "status.conditions[PodScheduled]", true
	}
	for _, status := range cluster.ContainerStatuses(pod) {
		w := status.State.Waiting
		if w == nil || status.LastTerminationState.Terminated != nil || status.RestartCount > 0 {
			continue
		}
		quote := "reason: " + w.Reason
		if w.Message != "" {
			quote += ": " + w.Message
		}
		return fmt.Sprintf("container %s is in %s", status.Name, w.Reason), quote, "status.containerStatuses[" + status.Name + "].state.waiting", true
	}
	return "", "", "", false
}

func (s server) reportPending(p *analyzers.Pass, why, quote, path string) {
	f := analyzers.Finding{
		Code: pending, Severity: s.severity(p), Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)},
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(s.pod).String(), Path: path, Quote: analyzers.QuoteHead(quote)}},
		Fixes:    []analyzers.Fix{{Why: "Show what keeps the pod from starting", Argv: p.Kubectl(s.pod.Namespace, "describe", "pod", s.pod.Name)}},
	}
	if s.pod.Spec.NodeName == "" {
		if all, because := unreadyNodes(p); len(all) > 0 {
			why = "no node is Ready"
			if because != nil {
				f.Evidence = append(f.Evidence, *because)
				if strings.Contains(because.Quote, "cni") || strings.Contains(because.Quote, "network") {
					why += ", as no network plugin (CNI) is set up"
				}
			}
			f.CausedBy = all
		}
	}
	f.Summary = analyzers.Line("CoreDNS does not start: "+why, analyzers.MaxSummary)
	p.Report(f)
}

// unreadyNodes are all nodes, if none of them is Ready, and what the first says of it.
func unreadyNodes(p *analyzers.Pass) (all []analyzers.Ref, because *analyzers.Evidence) {
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		ref := cluster.RefOf(node)
		i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
		if i >= 0 && node.Status.Conditions[i].Status == corev1.ConditionTrue {
			return nil, nil
		}
		all = append(all, ref)
		if i >= 0 && because == nil {
			c := node.Status.Conditions[i]
			because = &analyzers.Evidence{Source: ref.String(), Path: "status.conditions[Ready]", Quote: analyzers.QuoteHead(c.Message), At: c.LastTransitionTime.Time}
		}
	}
	return all[:min(len(all), 3)], because
}
