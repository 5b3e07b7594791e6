package gateway

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const group = "gateway.networking.k8s.io"

const (
	// judgeTime is what a controller may take to say its first word, applyTime what one
	// kubectl apply may take to create everything.
	judgeTime = 2 * time.Minute
	applyTime = 30 * time.Second
	// addressTime is what a cloud may take to make a load balancer.
	addressTime = 3 * time.Minute
)

// The fields that the checks read (sigs.k8s.io/gateway-api apis/v1 gateway_types.go,
// gatewayclass_types.go, object_reference_types.go).
type (
	condition struct {
		Type               string      `json:"type"`
		Status             string      `json:"status"`
		Reason             string      `json:"reason"`
		Message            string      `json:"message"`
		ObservedGeneration int64       `json:"observedGeneration"`
		LastTransitionTime metav1.Time `json:"lastTransitionTime"`
	}
	conditions []condition

	gatewayClass struct {
		Spec struct {
			ControllerName string `json:"controllerName"`
		} `json:"spec"`
		Status struct {
			Conditions conditions `json:"conditions"`
		} `json:"status"`
	}

	objectRef struct {
		Group     *string `json:"group"`
		Kind      *string `json:"kind"`
		Namespace *string `json:"namespace"`
		Name      string  `json:"name"`
	}

	listener struct {
		Name     string  `json:"name"`
		Hostname *string `json:"hostname"`
		Port     int64   `json:"port"`
		Protocol string  `json:"protocol"`
		TLS      *struct {
			CertificateRefs []objectRef `json:"certificateRefs"`
		} `json:"tls"`
		AllowedRoutes *struct {
			Namespaces *struct {
				From     *string               `json:"from"`
				Selector *metav1.LabelSelector `json:"selector"`
			} `json:"namespaces"`
			Kinds []struct {
				Kind string `json:"kind"`
			} `json:"kinds"`
		} `json:"allowedRoutes"`
	}

	gatewaySpec struct {
		Spec struct {
			GatewayClassName string     `json:"gatewayClassName"`
			Listeners        []listener `json:"listeners"`
		} `json:"spec"`
		Status struct {
			Conditions conditions `json:"conditions"`
			Addresses  []struct {
				Value string `json:"value"`
			} `json:"addresses"`
			Listeners []struct {
				Name       string     `json:"name"`
				Conditions conditions `json:"conditions"`
			} `json:"listeners"`
		} `json:"status"`
	}
)

// get returns a condition about the present generation of an object. One without a
// generation, as some controllers write it, counts as present.
func (list conditions) get(o cluster.Object, kind string) (condition, bool) {
	for _, c := range list {
		if c.Type == kind && (c.ObservedGeneration == 0 || c.ObservedGeneration >= o.GetGeneration()) {
			return c, true
		}
	}
	return condition{}, false
}

// isFalse returns a condition that is False about the present generation.
func (list conditions) isFalse(o cluster.Object, kind string) (condition, bool) {
	c, ok := list.get(o, kind)
	return c, ok && c.Status == "False"
}

func (list conditions) isTrue(o cluster.Object, kind string) bool {
	c, ok := list.get(o, kind)
	return ok && c.Status == "True"
}

// evidence quotes a condition as kubectl describe shows it.
func (c condition) evidence(o cluster.Object, path string) analyzers.Evidence {
	return analyzers.Evidence{
		Source: cluster.RefOf(o).String(), Path: path + "[" + c.Type + "]",
		Quote: analyzers.QuoteHead(c.Type + ": " + c.Status + " (" + c.Reason + ") " + c.Message), At: since(c),
	}
}

// since is when a condition became so. The API's own default, written before any
// controller has come, says 1970 (apis/v1 gateway_types.go, kubebuilder:default).
func since(c condition) time.Time {
	if c.LastTransitionTime.Unix() <= 0 {
		return time.Time{}
	}
	return c.LastTransitionTime.Time
}

// young reports whether an object may still be on its way. In a manifest nothing has an
// age, nor a status.
func young(s *cluster.Snapshot, o cluster.Object, patience time.Duration) bool {
	return s.Since(o.GetCreationTimestamp().Time) < patience
}

func manifest(o cluster.Object) bool {
	t := o.GetCreationTimestamp()
	return t.IsZero()
}

func on(o cluster.Object, path, quote string) analyzers.Evidence {
	return analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: path, Quote: analyzers.QuoteHead(quote)}
}

func value[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}

// classRef names a GatewayClass, whether or not it exists.
func classRef(name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: group + "/v1", Kind: "GatewayClass", Name: name}
}

// gatewayRef names a Gateway, whether or not it exists.
func gatewayRef(namespace, name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: group + "/v1", Kind: "Gateway", Namespace: namespace, Name: name}
}

// find returns the object of a kind of the Gateway API.
func find(s *cluster.Snapshot, kind, namespace, name string) (cluster.Object, bool) {
	return s.Get(analyzers.Ref{APIVersion: group + "/v1", Kind: kind, Namespace: namespace, Name: name})
}

// A served is a Gateway with the name of its class's controller.
type served struct {
	object     cluster.Object
	spec       gatewaySpec
	controller string // empty when the class is not seen
}

// gateways are all Gateways that can be read, by namespace and name: many routes share one.
func gateways(s *cluster.Snapshot) map[string]served {
	return cluster.Derive(s, "gateway.gateways", func() map[string]served {
		out := map[string]served{}
		for o := range cluster.Of(s, cluster.Gateways) {
			g, err := cluster.As[gatewaySpec](o)
			if err != nil {
				continue
			}
			gw := served{object: o, spec: g}
			if class, ok := find(s, "GatewayClass", "", g.Spec.GatewayClassName); ok {
				if c, err := cluster.As[gatewayClass](class); err == nil {
					gw.controller = c.Spec.ControllerName
				}
			}
			out[o.GetNamespace()+"/"+o.GetName()] = gw
		}
		return out
	})
}
