package scaling

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotProvisioned finds pending pods that Karpenter has no node for.
var NotProvisioned = &analyzers.Analyzer{
	Name: "scaling/not-provisioned",
	Doc: `pending pods for which Karpenter provides no node, and what rules the pools out

From Karpenter's own event about the pod, while it is its newest word.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{notProvisioned},
	Run:   runNotProvisioned,
}

// Karpenter's words (kubernetes-sigs/karpenter pkg/controllers/provisioning/scheduling),
// with the pool's name behind "nodepool" or, since 1.5, as NodePool="name" at the end.
var (
	poolWords  = regexp.MustCompile(`incompatible with nodepool "([^"]+)"|NodePool="([^"]+)"`)
	limitWords = regexp.MustCompile(`all available instance types exceed limits for nodepool:? "?([\w.-]+)"?`)
	overhead   = regexp.MustCompile(`daemonset overhead=\{[^}]*\}, `)
)

func runNotProvisioned(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		since, ok := pending(p.Snapshot, pod)
		if !ok || since < decided {
			continue
		}
		root := p.Root(pod)
		if p.Again(notProvisioned, notProvisioned.Severity, root, "", cluster.RefOf(pod)) {
			continue
		}
		ev, ok := p.LastEvent(pod, fromKarpenter, "FailedScheduling", "Nominated")
		if !ok || ev.Reason == "Nominated" || p.Since(cluster.EventTime(ev)) > window {
			continue
		}
		report(p, analyzers.Finding{
			Code: notProvisioned, Subject: root, Affected: []analyzers.Ref{cluster.RefOf(pod)},
			Summary:  "Karpenter provides no node: " + poolsText(ev.Message),
			Evidence: []analyzers.Evidence{eventProof(pod, ev)},
			Fixes: []analyzers.Fix{
				{Why: "Compare the requirements, taints and limits of the pools with what the pod asks for", Argv: p.Kubectl("", "get", "nodepools", "-o", "yaml")},
				{Why: "Show the nodes that Karpenter has ordered, and what became of them", Argv: p.Kubectl("", "get", "nodeclaims")},
			},
		})
	}
	return nil
}

func fromKarpenter(ev *corev1.Event) bool {
	return ev.Source.Component == "karpenter" || ev.ReportingController == "karpenter"
}

// poolsText is what rules out the first pool; the event has them all.
func poolsText(message string) string {
	rest := strings.TrimPrefix(message, "Failed to schedule pod, ")
	if m := limitWords.FindStringSubmatch(rest); m != nil {
		return "node pool " + m[1] + " is at its limits"
	}
	first, others, more := strings.Cut(rest, "; ")
	name := ""
	if m := poolWords.FindStringSubmatch(first); m != nil {
		name = m[1] + m[2]
	}
	_, why, ok := strings.Cut(first, ", ")
	if !ok {
		return rest
	}
	why = overhead.ReplaceAllString(why+" ", "")
	if loc := overhead.FindStringIndex(first); loc != nil {
		why = first[loc[1]:]
	}
	why = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(why), `(NodePool="`+name+`")`))
	if name == "" {
		return rest
	}
	text := "pool " + name + ": " + why
	if more && others != "" {
		text += "; and others"
	}
	return text
}
