package kube

import (
	"context"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// opaque are the Secrets that anybody may have made of anything. The type is no metadata,
// but a list can be asked for those of one type, so that it is known without a value being
// read (k8s.io/kubernetes pkg/registry/core/secret/strategy.go, SelectableFields).
var opaque = url.Values{"fieldSelector": {"type=" + string(corev1.SecretTypeOpaque)}}

// secretTypes marks the Secrets of type Opaque, where something needs one of type
// kubernetes.io/tls: it costs a request that other clusters can do without.
func (r *reading) secretTypes(ctx context.Context) {
	if !r.needsTLS() {
		return
	}
	for _, l := range r.listings {
		if l.kind.GroupKind() != cluster.Secrets || len(l.objects) == 0 {
			continue
		}
		found := r.list(ctx, l.kind, l.namespace, opaque, func(int) {})
		r.around = append(r.around, found)
		is := map[types.NamespacedName]bool{}
		for _, o := range found.objects {
			is[types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}] = true
		}
		found.objects = nil
		for _, o := range l.objects {
			if secret, ok := o.(*cluster.Secret); ok && is[types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name}] {
				secret.Type = corev1.SecretTypeOpaque
			}
		}
	}
}

func (r *reading) needsTLS() bool {
	for _, l := range r.listings {
		if l.kind.GroupKind() == cluster.Gateways && len(l.objects) > 0 {
			return true
		}
		for _, o := range l.objects {
			if ingress, ok := o.(*networkingv1.Ingress); ok && len(ingress.Spec.TLS) > 0 {
				return true
			}
		}
	}
	return false
}
