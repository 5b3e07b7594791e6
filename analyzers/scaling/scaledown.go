package scaling

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ScaleDownBlocked finds nodes that the cluster autoscaler would remove and cannot.
var ScaleDownBlocked = &analyzers.Analyzer{
	Name: "scaling/scale-down-blocked",
	Doc: `nodes that the cluster autoscaler wants to remove, and the pod that keeps them

From its log, which names the pod, and from its events about nodes that it failed to
drain. A pod that keeps a node is a note: it costs money and breaks nothing.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Nodes, cluster.Events},
	Emits: []analyzers.Code{scaleDownBlocked},
	Run:   runScaleDownBlocked,
}

// The words of the log and what they are about (kubernetes/autoscaler
// cluster-autoscaler/simulator/cluster.go and utils/drain; "Fast evaluation: " up to 1.26).
var (
	removalWords = regexp.MustCompile(`node (\S+) cannot be removed: (.*)$`)
	presentWords = regexp.MustCompile(`^(.*) present: (\S+)$`)
	budgetWords  = regexp.MustCompile(`^not enough pod disruption budget to move ([^/\s]+)/(\S+)$`)
	aloneWords   = regexp.MustCompile(`^([^/\s]+)/(\S+) is not replicated$`)
)

// looksAgain is how often the autoscaler says so of the same node, at least
// (--unremovable-node-recheck-timeout, 5 minutes).
const looksAgain = 10 * time.Minute

func runScaleDownBlocked(p *analyzers.Pass) error {
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, "kube-system") {
		if !strings.Contains(pod.Name, "cluster-autoscaler") {
			continue
		}
		for _, c := range pod.Spec.Containers {
			if log, ok := p.Log(pod, c.Name, false); ok {
				blockers(p, pod, c.Name, log)
			}
		}
	}
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		if ev, ok := p.LastEvent(node, nil, "ScaleDownFailed"); ok && p.Since(cluster.EventTime(ev)) < window {
			report(p, analyzers.Finding{
				Code: scaleDownBlocked, Severity: analyzers.Warning, Subject: cluster.RefOf(node),
				Summary:  fmt.Sprintf("Cluster autoscaler failed to remove node %s: %s", node.Name, ev.Message),
				Evidence: []analyzers.Evidence{eventProof(node, ev)},
				Fixes:    []analyzers.Fix{{Why: "Show the disruption budgets that allow no eviction now", Argv: p.Kubectl("", "get", "poddisruptionbudgets", "--all-namespaces")}},
			})
		}
	}
	return nil
}

func blockers(p *analyzers.Pass, from *corev1.Pod, container string, log cluster.Log) {
	last := map[string]string{} // by node
	var order []string
	for _, line := range log.Lines() {
		m := removalWords.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if at, ok := klogTime(line, p.Now()); !ok || p.Since(at) > looksAgain {
			continue
		}
		if last[m[1]] == "" {
			order = append(order, m[1])
		}
		last[m[1]] = line
	}
	for _, node := range order {
		m := removalWords.FindStringSubmatch(last[node])
		pod, why, ok := blocker(p, node, m[2])
		if !ok {
			continue
		}
		root := p.Root(pod)
		report(p, analyzers.Finding{
			Code: scaleDownBlocked, Subject: root,
			Affected: []analyzers.Ref{{APIVersion: "v1", Kind: "Node", Name: node}},
			Summary:  fmt.Sprintf("Cluster autoscaler cannot remove an underused node because of %s %s: %s", root.Kind, root.Name, why),
			Evidence: []analyzers.Evidence{{Source: "Log of " + cluster.RefOf(from).String() + " container " + container, Path: container, Quote: analyzers.Quote(last[node])}},
			Fixes: []analyzers.Fix{{
				Why:  "If its pods may be moved, say so: annotation cluster-autoscaler.kubernetes.io/safe-to-evict: \"true\" on the pod template, or a disruption budget that allows one",
				Argv: p.Kubectl(root.Namespace, "describe", strings.ToLower(root.Kind), root.Name),
			}},
		})
	}
}

// blocker finds the pod that keeps a node, if it is there still.
func blocker(p *analyzers.Pass, node, reason string) (*corev1.Pod, string, bool) {
	namespace, name, why := "", "", ""
	if m := presentWords.FindStringSubmatch(reason); m != nil {
		why, name = m[1], m[2]
	} else if m := budgetWords.FindStringSubmatch(reason); m != nil {
		namespace, name, why = m[1], m[2], "its disruption budget allows no eviction"
	} else if m := aloneWords.FindStringSubmatch(reason); m != nil {
		namespace, name, why = m[1], m[2], "nothing would create its pod again elsewhere"
	}
	for _, pod := range p.PodsOn(node) {
		if pod.Name == name && (namespace == "" || pod.Namespace == namespace) && pod.DeletionTimestamp == nil {
			return pod, why, true
		}
	}
	return nil, "", false
}
