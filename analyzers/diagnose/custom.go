package diagnose

import (
	"cmp"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A target names an object in the fields of another project's object.
type target struct {
	APIVersion string `json:"apiVersion"`
	Group      string `json:"group"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
}

// ref is the object that t names, with what its field leaves out.
func (t target) ref(apiVersion, kind, namespace string) analyzers.Ref {
	if t.Kind != "" {
		kind = t.Kind
	}
	return analyzers.Ref{APIVersion: cmp.Or(t.APIVersion, apiVersion), Kind: kind, Namespace: cmp.Or(t.Namespace, namespace), Name: t.Name}
}

const gatewayAPI = "gateway.networking.k8s.io/v1"

// visitCustom adds what an object of another project stands on.
func visitCustom(o cluster.Object, add func(analyzers.Ref)) {
	gk, namespace := o.GetObjectKind().GroupVersionKind().GroupKind(), o.GetNamespace()
	switch gk {
	case cluster.HTTPRoutes, cluster.GRPCRoutes:
		visitRoute(o, add)
	case cluster.Gateways:
		type fields struct {
			Spec struct {
				GatewayClassName string `json:"gatewayClassName"`
				Listeners        []struct {
					TLS struct {
						CertificateRefs []target `json:"certificateRefs"`
					} `json:"tls"`
				} `json:"listeners"`
			} `json:"spec"`
		}
		g, _ := cluster.As[fields](o)
		add(analyzers.Ref{APIVersion: gatewayAPI, Kind: "GatewayClass", Name: g.Spec.GatewayClassName})
		for _, l := range g.Spec.Listeners {
			for _, c := range l.TLS.CertificateRefs {
				add(c.ref("v1", "Secret", namespace))
			}
		}
	case cluster.Certificates, cluster.CertificateRequests, cluster.Orders, cluster.Challenges:
		type fields struct {
			Spec struct {
				IssuerRef target `json:"issuerRef"`
			} `json:"spec"`
		}
		c, _ := cluster.As[fields](o)
		issuer := c.Spec.IssuerRef.ref("cert-manager.io/v1", "Issuer", namespace)
		if issuer.Kind == "ClusterIssuer" {
			issuer.Namespace = ""
		}
		add(issuer)
	case cluster.Issuers, cluster.ClusterIssuers:
		type fields struct {
			Spec struct {
				CA struct {
					SecretName string `json:"secretName"`
				} `json:"ca"`
			} `json:"spec"`
		}
		i, _ := cluster.As[fields](o)
		// The Secret of a ClusterIssuer is in the namespace that cert-manager is told, by
		// default its own (https://cert-manager.io/docs/configuration/#cluster-resource-namespace).
		add(analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: cmp.Or(namespace, "cert-manager"), Name: i.Spec.CA.SecretName})
	case cluster.ScaledObjects:
		type fields struct {
			Spec struct {
				ScaleTargetRef target `json:"scaleTargetRef"`
			} `json:"spec"`
		}
		s, _ := cluster.As[fields](o)
		add(s.Spec.ScaleTargetRef.ref("apps/v1", "Deployment", namespace))
	case cluster.APIServices:
		type fields struct {
			Spec struct {
				Service target `json:"service"`
			} `json:"spec"`
		}
		a, _ := cluster.As[fields](o)
		add(a.Spec.Service.ref("v1", "Service", ""))
	case cluster.VerticalAutoscalers:
		type fields struct {
			Spec struct {
				TargetRef target `json:"targetRef"`
			} `json:"spec"`
		}
		v, _ := cluster.As[fields](o)
		add(v.Spec.TargetRef.ref("apps/v1", "Deployment", namespace))
	}
}

// visitRoute adds the Services that a route sends to and the Gateways that it is part of.
func visitRoute(o cluster.Object, add func(analyzers.Ref)) {
	type fields struct {
		Spec struct {
			ParentRefs []target `json:"parentRefs"`
			Rules      []struct {
				BackendRefs []target `json:"backendRefs"`
			} `json:"rules"`
		} `json:"spec"`
	}
	r, _ := cluster.As[fields](o)
	for _, rule := range r.Spec.Rules {
		for _, b := range rule.BackendRefs {
			if b.Group == "" {
				add(b.ref("v1", "Service", o.GetNamespace()))
			}
		}
	}
	for _, p := range r.Spec.ParentRefs {
		add(p.ref(gatewayAPI, "Gateway", o.GetNamespace()))
	}
}

// makers returns the Certificates of cert-manager that make a Secret, whether or not it
// exists already.
func makers(s *cluster.Snapshot, secret analyzers.Ref) []analyzers.Ref {
	type fields struct {
		Spec struct {
			SecretName string `json:"secretName"`
		} `json:"spec"`
	}
	of := cluster.Derive(s, "diagnose.makers", func() map[analyzers.Ref][]analyzers.Ref {
		out := map[analyzers.Ref][]analyzers.Ref{}
		for o := range cluster.Of(s, cluster.Certificates) {
			if c, err := cluster.As[fields](o); err == nil {
				key := analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: o.GetNamespace(), Name: c.Spec.SecretName}
				out[key] = append(out[key], cluster.RefOf(o))
			}
		}
		return out
	})
	return slices.Clone(of[secret])
}
