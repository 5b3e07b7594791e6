package cluster

import (
	"fmt"
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of other projects, by name, for the Needs of analyzers. No module of theirs is
// needed: a check reads the few fields it is about into a small struct of its own, with As.
var (
	APIServices           = schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}
	GatewayClasses        = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}
	Gateways              = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "Gateway"}
	HTTPRoutes            = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}
	GRPCRoutes            = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"}
	ReferenceGrants       = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "ReferenceGrant"}
	VerticalAutoscalers   = schema.GroupKind{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}
	Certificates          = schema.GroupKind{Group: "cert-manager.io", Kind: "Certificate"}
	CertificateRequests   = schema.GroupKind{Group: "cert-manager.io", Kind: "CertificateRequest"}
	Issuers               = schema.GroupKind{Group: "cert-manager.io", Kind: "Issuer"}
	ClusterIssuers        = schema.GroupKind{Group: "cert-manager.io", Kind: "ClusterIssuer"}
	Orders                = schema.GroupKind{Group: "acme.cert-manager.io", Kind: "Order"}
	Challenges            = schema.GroupKind{Group: "acme.cert-manager.io", Kind: "Challenge"}
	CiliumPolicies        = schema.GroupKind{Group: "cilium.io", Kind: "CiliumNetworkPolicy"}
	CiliumClusterPolicies = schema.GroupKind{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"}
	CalicoPolicies        = schema.GroupKind{Group: "crd.projectcalico.org", Kind: "NetworkPolicy"}
	CalicoGlobalPolicies  = schema.GroupKind{Group: "crd.projectcalico.org", Kind: "GlobalNetworkPolicy"}
	AdminPolicies         = schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy"}
	BaselinePolicies      = schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy"}
	ClusterPolicies       = schema.GroupKind{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy"}
	ScaledObjects         = schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
)

// Of iterates the objects of one kind, ordered by namespace and name, whether or not they
// are in scope. For the built-in kinds All says the same with types.
func Of(s *Snapshot, gk schema.GroupKind) iter.Seq[Object] { return slices.Values(s.list(gk)) }

// ScopedOf iterates the objects of one kind that the user asked about.
func ScopedOf(s *Snapshot, gk schema.GroupKind) iter.Seq[Object] {
	list := s.list(gk)
	return func(yield func(Object) bool) {
		for _, o := range list {
			if s.InScope(o.GetNamespace()) && !yield(o) {
				return
			}
		}
	}
}

// As reads an object of another project into T, a struct with JSON names that holds the
// fields that a check is about; other fields are ignored. The error says that a field has
// another type than T's, as in a version that T does not know.
func As[T any](o Object) (T, error) {
	var into T
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return into, fmt.Errorf("%T is no object of another project", o)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &into); err != nil {
		return into, fmt.Errorf("read %s: %w", RefOf(o), err)
	}
	return into, nil
}

// mergePatch changes doc as a JSON merge patch says (RFC 7386): other projects' kinds have
// no strategic one. Neither argument is changed.
func mergePatch(doc, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if d, ok := doc.(map[string]any); ok {
		for k, v := range d {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = mergePatch(out[k], v)
	}
	return out
}
