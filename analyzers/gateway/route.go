package gateway

import (
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// The fields of routes that the checks read (sigs.k8s.io/gateway-api apis/v1
// httproute_types.go, grpcroute_types.go, shared_types.go).
type (
	parentRef struct {
		objectRef   `json:",inline"`
		SectionName *string `json:"sectionName"`
		Port        *int64  `json:"port"`
	}

	backendRef struct {
		objectRef `json:",inline"`
		Port      *int64 `json:"port"`
		Weight    *int64 `json:"weight"`
	}

	routeSpec struct {
		Spec struct {
			ParentRefs []parentRef `json:"parentRefs"`
			Hostnames  []string    `json:"hostnames"`
			Rules      []struct {
				BackendRefs []backendRef `json:"backendRefs"`
			} `json:"rules"`
		} `json:"spec"`
		Status struct {
			Parents []parentStatus `json:"parents"`
		} `json:"status"`
	}

	parentStatus struct {
		ParentRef      parentRef  `json:"parentRef"`
		ControllerName string     `json:"controllerName"`
		Conditions     conditions `json:"conditions"`
	}
)

// routes iterates the routes that the user asked about.
func routes(s *cluster.Snapshot) iter.Seq2[cluster.Object, routeSpec] {
	return func(yield func(cluster.Object, routeSpec) bool) {
		for _, gk := range []struct{ list iter.Seq[cluster.Object] }{{cluster.ScopedOf(s, cluster.HTTPRoutes)}, {cluster.ScopedOf(s, cluster.GRPCRoutes)}} {
			for o := range gk.list {
				if o.GetDeletionTimestamp() != nil {
					continue
				}
				if r, err := cluster.As[routeSpec](o); err == nil && !yield(o, r) {
					return
				}
			}
		}
	}
}

// toGateway is false for a parent of another kind, such as the Service of a mesh.
func (r parentRef) toGateway() bool {
	return value(r.Group, group) == group && value(r.Kind, "Gateway") == "Gateway"
}

// namespace is where a reference leads from an object.
func (r objectRef) namespace(from cluster.Object) string {
	return value(r.Namespace, from.GetNamespace())
}

// same reports whether a status is about this parent of the present spec: a parent that
// was taken out of the spec may leave its status behind.
func (r parentRef) same(other parentRef, o cluster.Object) bool {
	return r.Name == other.Name && r.namespace(o) == other.namespace(o) && value(r.SectionName, "") == value(other.SectionName, "") && value(r.Port, 0) == value(other.Port, 0)
}

// statuses are what controllers say of a route to one parent; controller, unless empty,
// is the one whose word counts.
func (r routeSpec) statuses(o cluster.Object, ref parentRef, controller string) []parentStatus {
	var out []parentStatus
	for _, st := range r.Status.Parents {
		if ref.same(st.ParentRef, o) && (controller == "" || st.ControllerName == controller) {
			out = append(out, st)
		}
	}
	return out
}

// admits reports whether a listener takes routes of a namespace; known is false when the
// namespace's labels would tell and are not seen.
func (l listener) admits(s *cluster.Snapshot, gateway, route cluster.Object) (yes, known bool) {
	from, selector := "Same", (*metav1.LabelSelector)(nil)
	if l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil {
		from, selector = value(l.AllowedRoutes.Namespaces.From, "Same"), l.AllowedRoutes.Namespaces.Selector
	}
	switch from {
	case "All":
		return true, true
	case "Same":
		return gateway.GetNamespace() == route.GetNamespace(), true
	case "Selector":
		sel, err := metav1.LabelSelectorAsSelector(selector)
		set, ok := namespaceLabels(s, route.GetNamespace())
		return err == nil && ok && sel.Matches(set), err == nil && ok
	}
	return false, false
}

// namespaceLabels are those of a namespace, with the one that the API server adds.
func namespaceLabels(s *cluster.Snapshot, name string) (labels.Set, bool) {
	for ns := range cluster.Of(s, cluster.Namespaces) {
		if ns.GetName() == name {
			return labels.Set(ns.GetLabels()), true
		}
	}
	return nil, false
}

// meets reports whether hosts of a route and the host of a listener have any name in
// common (apis/v1 httproute_types.go, Hostnames).
func meets(hosts []string, l listener) bool {
	want := value(l.Hostname, "")
	if want == "" || len(hosts) == 0 {
		return true
	}
	return slices.ContainsFunc(hosts, func(host string) bool { return matchHost(want, host) || matchHost(host, want) })
}

// matchHost reports whether a host is of a pattern. Other than in certificates, *. stands
// for any number of labels.
func matchHost(pattern, host string) bool {
	if suffix, wild := strings.CutPrefix(pattern, "*"); wild {
		return strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix) && (len(host) > len(suffix))
	}
	return strings.EqualFold(pattern, host)
}
