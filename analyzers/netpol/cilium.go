package netpol

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CiliumInvalid reports Cilium's own policies that Cilium says it cannot take: they are
// not in force. What valid ones let through is not decided here: that needs the identities
// and the flows that only Cilium has.
var CiliumInvalid = &analyzers.Analyzer{
	Name:  "netpol/cilium-invalid",
	Doc:   "policies of Cilium that Cilium rejects",
	Needs: []schema.GroupKind{cluster.CiliumPolicies, cluster.CiliumClusterPolicies},
	Emits: []analyzers.Code{ciliumInvalid},
	Run: func(p *analyzers.Pass) error {
		for _, gk := range []schema.GroupKind{cluster.CiliumPolicies, cluster.CiliumClusterPolicies} {
			for o := range cluster.ScopedOf(p.Snapshot, gk) {
				rejected(p, o)
			}
		}
		return nil
	},
}

// A ciliumStatus is what the operator writes after it has read a policy: a condition Valid
// (cilium/cilium pkg/k8s/apis/cilium.io/v2/cnp_types.go, PolicyConditionValid).
type ciliumStatus struct {
	Status struct {
		Conditions []struct {
			Type    string                 `json:"type"`
			Status  corev1.ConditionStatus `json:"status"`
			Message string                 `json:"message"`
			Reason  string                 `json:"reason"`
		} `json:"conditions"`
	} `json:"status"`
}

func rejected(p *analyzers.Pass, o cluster.Object) {
	policy, err := cluster.As[ciliumStatus](o)
	if err != nil {
		return
	}
	for _, c := range policy.Status.Conditions {
		if c.Type != "Valid" || c.Status != corev1.ConditionFalse {
			continue
		}
		ref := cluster.RefOf(o)
		said := cmp.Or(c.Message, c.Reason, "the condition Valid is False")
		p.Report(analyzers.Finding{
			Code: ciliumInvalid, Subject: ref,
			Summary:  analyzers.Line(fmt.Sprintf("Cilium rejects %s %s, so it is not in force: %s", ref.Kind, ref.Name, said), analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.conditions[Valid]", Quote: analyzers.QuoteHead(said)}},
			Fixes:    []analyzers.Fix{{Why: "Correct what the message names", Argv: p.Kubectl(ref.Namespace, "edit", ref.Short())}},
		})
	}
}
