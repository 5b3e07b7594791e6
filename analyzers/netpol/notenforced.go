package netpol

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// NotEnforced reports policies in a cluster whose network plugin applies none. Only where
// that is certain: the whole cluster was read, the plugin is known to have no part that
// applies policies, and nothing beside it does.
var NotEnforced = &analyzers.Analyzer{
	Name:  "netpol/not-enforced",
	Doc:   "network policies in a cluster whose network plugin applies none",
	Needs: append(reach.ForeignKinds(), cluster.DaemonSets, cluster.NetworkPolicies),
	Emits: []analyzers.Code{notEnforced},
	Run: func(p *analyzers.Pass) error {
		plugin := reach.Plugin(p.Snapshot)
		if !plugin.NotEnforced() {
			return nil
		}
		for policy := range cluster.Scoped[*networkingv1.NetworkPolicy](p.Snapshot) {
			ref := cluster.RefOf(policy)
			p.Report(analyzers.Finding{
				Code: notEnforced, Subject: plugin.Ref, Affected: []analyzers.Ref{ref},
				Summary: fmt.Sprintf("%s, the network plugin, applies no network policies: all traffic is let through", plugin.Name),
				Evidence: []analyzers.Evidence{
					{Source: plugin.Ref.String(), Path: "metadata.name", Quote: plugin.Ref.Name},
					{Source: ref.String(), Path: "spec.podSelector", Quote: quote(policy.Spec.PodSelector)},
				},
				Fixes: []analyzers.Fix{{
					Why:  "Show the DaemonSets of the network: a plugin that applies policies, such as Calico or Cilium, has to take flannel's place or stand beside it",
					Argv: p.Kubectl("", "get", "daemonsets", "-A"),
				}},
			})
		}
		return nil
	},
}
