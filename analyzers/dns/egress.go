package dns

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// egressSelectors tell of the pods of a namespace that a policy with egress rules selects.
func egressSelectors(s *cluster.Snapshot, namespace string) []func(*corev1.Pod) bool {
	var out []func(*corev1.Pod) bool
	for policy := range cluster.In[*networkingv1.NetworkPolicy](s, namespace) {
		sel, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil || !restrictsEgress(policy) {
			continue
		}
		out = append(out, func(pod *corev1.Pod) bool { return sel.Matches(labels.Set(pod.Labels)) })
	}
	return out
}

// restrictsEgress reads the policy types as the API defaults them: egress rules alone
// make a policy one for egress.
func restrictsEgress(policy *networkingv1.NetworkPolicy) bool {
	for _, t := range policy.Spec.PolicyTypes {
		if t == networkingv1.PolicyTypeEgress {
			return true
		}
	}
	return len(policy.Spec.PolicyTypes) == 0 && len(policy.Spec.Egress) > 0
}

// otherPolicies reports whether a namespace may have policies of a network plugin's own.
// Whom they select is for others to find out.
func otherPolicies(s *cluster.Snapshot, namespace string) bool {
	for _, gk := range []schema.GroupKind{cluster.CiliumPolicies, cluster.CiliumClusterPolicies, cluster.CalicoPolicies, cluster.CalicoGlobalPolicies} {
		for o := range cluster.Of(s, gk) {
			if o.GetNamespace() == "" || o.GetNamespace() == namespace {
				return true
			}
		}
	}
	return false
}
