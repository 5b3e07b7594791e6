package gateway

import (
	"fmt"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A referenceGrant admits references from other namespaces to objects of its own
// (sigs.k8s.io/gateway-api apis/v1beta1 referencegrant_types.go).
type referenceGrant struct {
	Spec struct {
		From []struct {
			Group     string `json:"group"`
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
		} `json:"from"`
		To []struct {
			Group string  `json:"group"`
			Kind  string  `json:"kind"`
			Name  *string `json:"name"`
		} `json:"to"`
	} `json:"spec"`
}

// granted reports whether a ReferenceGrant in the namespace of to admits a reference.
func granted(s *cluster.Snapshot, from cluster.Object, to analyzers.Ref) bool {
	for o := range cluster.Of(s, cluster.ReferenceGrants) {
		g, err := cluster.As[referenceGrant](o)
		if err != nil || o.GetNamespace() != to.Namespace || o.GetDeletionTimestamp() != nil {
			continue
		}
		admits := false
		for _, f := range g.Spec.From {
			admits = admits || f.Group == group && f.Kind == cluster.RefOf(from).Kind && f.Namespace == from.GetNamespace()
		}
		for _, t := range g.Spec.To {
			if admits && t.Group == to.GroupKind().Group && t.Kind == to.Kind && (value(t.Name, "") == "" || *t.Name == to.Name) {
				return true
			}
		}
	}
	return false
}

// grantFix spells out the ReferenceGrant that is missing.
func grantFix(p *analyzers.Pass, from cluster.Object, to analyzers.Ref) analyzers.Fix {
	version := "v1beta1"
	for o := range cluster.Of(p.Snapshot, cluster.ReferenceGrants) {
		version = o.GetObjectKind().GroupVersionKind().Version
	}
	return analyzers.Fix{
		Why: fmt.Sprintf(`Whoever owns namespace %s creates there: {apiVersion: %s/%s, kind: ReferenceGrant, metadata: {name: from-%s, namespace: %s}, spec: {from: [{group: %s, kind: %s, namespace: %s}], to: [{group: "", kind: %s, name: %s}]}}`,
			to.Namespace, group, version, from.GetNamespace(), to.Namespace, group, cluster.RefOf(from).Kind, from.GetNamespace(), to.Kind, to.Name),
		Argv: p.Kubectl(to.Namespace, "apply", "-f", "<file>"),
	}
}
