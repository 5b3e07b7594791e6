package reach

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// foreigners are the policies that this package does not evaluate, each with a test of
// whether one of them may select a pod. In doubt it may.
var foreigners = []struct {
	kind      schema.GroupKind
	mayselect func(*cluster.Snapshot, cluster.Object, party) bool
}{
	{cluster.CiliumPolicies, ciliumSelects},
	{cluster.CiliumClusterPolicies, ciliumSelects},
	{cluster.CalicoPolicies, func(_ *cluster.Snapshot, o cluster.Object, p party) bool { return o.GetNamespace() == p.namespace() }},
	{cluster.CalicoGlobalPolicies, func(*cluster.Snapshot, cluster.Object, party) bool { return true }},
	{cluster.AdminPolicies, adminSelects},
	{cluster.BaselinePolicies, adminSelects},
	{cluster.ClusterPolicies, adminSelects},
}

// ForeignKinds are the kinds of policies that make an answer NotEvaluated.
func ForeignKinds() []schema.GroupKind {
	var out []schema.GroupKind
	for _, f := range foreigners {
		out = append(out, f.kind)
	}
	return out
}

// foreign says which policy of another project may apply to a pod, "" when none does.
func foreign(s *cluster.Snapshot, subject party) string {
	for _, f := range foreigners {
		for _, a := range s.Access(f.kind) {
			// A recording from before the kind was collected, and a folder of manifests, say
			// nothing of it; Evaluate notes that.
			if a.State == cluster.NotCollected || a.State == cluster.NotServed || a.Namespace != "" && a.Namespace != subject.namespace() {
				continue
			}
			if a.State != cluster.Complete && !asFile(s) {
				return fmt.Sprintf("%s could not be read (%s), and may apply to %s", plural(f.kind), a.State, subject.ref)
			}
		}
		for o := range cluster.Of(s, f.kind) {
			if f.mayselect(s, o, subject) {
				return fmt.Sprintf("%s may apply to %s, and policies of its kind are not evaluated", cluster.RefOf(o), subject.ref)
			}
		}
	}
	return ""
}

// A ciliumPolicy is what tells which pods a Cilium policy is about: one spec, or several
// (cilium/cilium pkg/k8s/apis/cilium.io/v2/cnp_types.go).
type ciliumPolicy struct {
	Spec  *ciliumRule  `json:"spec"`
	Specs []ciliumRule `json:"specs"`
}

type ciliumRule struct {
	EndpointSelector *metav1.LabelSelector `json:"endpointSelector"`
	NodeSelector     *metav1.LabelSelector `json:"nodeSelector"`
}

func ciliumSelects(_ *cluster.Snapshot, o cluster.Object, p party) bool {
	if ns := o.GetNamespace(); ns != "" && ns != p.namespace() {
		return false
	}
	policy, err := cluster.As[ciliumPolicy](o)
	if err != nil {
		return true
	}
	rules := policy.Specs
	if policy.Spec != nil {
		rules = append(slices.Clone(rules), *policy.Spec)
	}
	return slices.ContainsFunc(rules, func(r ciliumRule) bool {
		return r.EndpointSelector != nil && !excludes(r.EndpointSelector, p.labels())
	})
}

// excludes reports whether a selector of Cilium surely leaves out a pod with these labels.
// Keys may begin with the source of the label, and those of Cilium's own say something
// that is not in the pod's labels.
func excludes(sel *metav1.LabelSelector, set map[string]string) bool {
	for key, value := range sel.MatchLabels {
		if i := strings.IndexByte(key, ':'); i >= 0 {
			if source := key[:i]; source != "k8s" && source != "any" {
				continue
			}
			key = key[i+1:]
		}
		if have, ok := set[key]; !strings.Contains(key, "io.kubernetes.") && !strings.Contains(key, "io.cilium.") && (!ok || have != value) {
			return true
		}
	}
	return false
}

// An adminPolicy is what tells which pods a policy of the cluster's administrators is
// about (kubernetes-sigs/network-policy-api apis/v1alpha1/shared_types.go).
type adminPolicy struct {
	Spec struct {
		Subject struct {
			Namespaces *metav1.LabelSelector `json:"namespaces"`
			Pods       *struct {
				NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
				PodSelector       metav1.LabelSelector `json:"podSelector"`
			} `json:"pods"`
		} `json:"subject"`
	} `json:"spec"`
}

func adminSelects(s *cluster.Snapshot, o cluster.Object, p party) bool {
	policy, err := cluster.As[adminPolicy](o)
	if err != nil {
		return true
	}
	switch subject := policy.Spec.Subject; {
	case subject.Namespaces != nil:
		return selectsNamespace(s, subject.Namespaces, p.namespace()).truth != no
	case subject.Pods != nil:
		return selectsNamespace(s, &subject.Pods.NamespaceSelector, p.namespace()).truth != no && selects(&subject.Pods.PodSelector, p.labels())
	}
	return true
}
