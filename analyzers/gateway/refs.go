package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// UnresolvedRefs finds references that lead to nothing, or to what they may not use.
var UnresolvedRefs = &analyzers.Analyzer{
	Name: "gateway/unresolved-refs",
	Doc: `routes and listeners that refer to what does not exist or what they may not use

Missing Services, ports and certificates are seen in the objects themselves. For a
reference into another namespace a ReferenceGrant has to be there; the controller's word
on it counts where it has one.`,
	Needs: []schema.GroupKind{
		cluster.HTTPRoutes, cluster.GRPCRoutes, cluster.Gateways, cluster.GatewayClasses, cluster.ReferenceGrants,
		cluster.Services, cluster.Secrets, cluster.Certificates,
	},
	Emits: []analyzers.Code{unresolved},
	Run:   unresolvedRefs,
}

func unresolvedRefs(p *analyzers.Pass) error {
	for o := range cluster.ScopedOf(p.Snapshot, cluster.Gateways) {
		g, err := cluster.As[gatewaySpec](o)
		if err != nil || o.GetDeletionTimestamp() != nil || young(p.Snapshot, o, applyTime) && !manifest(o) {
			continue
		}
		for _, fault := range refFaults(p.Snapshot, o, g) {
			reportListenerRef(p, o, fault)
		}
	}
	for o, r := range routes(p.Snapshot) {
		if young(p.Snapshot, o, applyTime) && !manifest(o) {
			continue
		}
		reportBackends(p, o, r)
	}
	return nil
}

// reportBackends judges the Services of a route; what the controller says beyond that is
// reported as it stands.
func reportBackends(p *analyzers.Pass, o cluster.Object, r routeSpec) {
	said, refused := routeRefs(p.Snapshot, o, r)
	explained := false
	seen := map[string]bool{}
	for i, rule := range r.Spec.Rules {
		for j, b := range rule.BackendRefs {
			if value(b.Group, "") != "" || value(b.Kind, "Service") != "Service" || b.Name == "" {
				continue
			}
			key := b.namespace(o) + "/" + b.Name + ":" + portText(b)
			if seen[key] {
				continue
			}
			seen[key] = true
			field := fmt.Sprintf("spec.rules[%d].backendRefs[%d]", i, j)
			f, bad := judgeBackend(p, o, b, field, said, refused)
			if !bad {
				continue
			}
			explained = true
			if refused {
				f.Evidence = append(f.Evidence, said.evidence(o, "status.parents.conditions"))
			}
			if value(b.Weight, 1) == 0 {
				f.Severity = analyzers.Warning // it gets no traffic, and other backends may
			}
			p.Report(f)
		}
	}
	if refused && !explained {
		p.Report(analyzers.Finding{
			Code:     unresolved,
			Subject:  cluster.RefOf(o),
			Summary:  fmt.Sprintf("Route has a reference that is not resolved (%s): %s", said.Reason, analyzers.Line(said.Message, 100)),
			Evidence: []analyzers.Evidence{said.evidence(o, "status.parents.conditions")},
			Fixes:    []analyzers.Fix{{Why: "Show the route with its references", Argv: p.Kubectl(o.GetNamespace(), "describe", cluster.RefOf(o).Short())}},
		})
	}
}

// routeRefs is the word of the controllers on the references of a route.
func routeRefs(s *cluster.Snapshot, o cluster.Object, r routeSpec) (said condition, refused bool) {
	for _, ref := range r.Spec.ParentRefs {
		controller := ""
		if ref.toGateway() {
			controller = gateways(s)[ref.namespace(o)+"/"+ref.Name].controller
		}
		for _, st := range r.statuses(o, ref, controller) {
			if c, ok := st.Conditions.get(o, "ResolvedRefs"); ok {
				said = c
				if c.Status == "False" {
					return c, true
				}
			}
		}
	}
	return said, false
}

func judgeBackend(p *analyzers.Pass, o cluster.Object, b backendRef, field string, said condition, refused bool) (analyzers.Finding, bool) {
	ns := b.namespace(o)
	f := analyzers.Finding{
		Code:     unresolved,
		Subject:  cluster.RefOf(o),
		Part:     ns + "/" + b.Name,
		Evidence: []analyzers.Evidence{on(o, field, "name: "+b.Name+", port: "+portText(b))},
	}
	where := b.Name
	if ns != o.GetNamespace() {
		where = ns + "/" + b.Name
		to := analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: ns, Name: b.Name}
		// Where the controller is content, it has seen a grant, or asks for none.
		if !granted(p.Snapshot, o, to) && p.Sees(cluster.ReferenceGrants, ns) && said.Status != "True" || refused && said.Reason == "RefNotPermitted" && !granted(p.Snapshot, o, to) {
			f.Summary = fmt.Sprintf("Backend %s is in another namespace, and no ReferenceGrant there admits %ss from %s", where, o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace())
			f.Fixes = []analyzers.Fix{grantFix(p, o, to)}
			return f, true
		}
	}
	svc, ok := cluster.Find[*corev1.Service](p.Snapshot, ns, b.Name)
	if !ok {
		if !p.Sees(cluster.Services, ns) || manifest(o) && !hasServices(p.Snapshot, ns) {
			return f, false
		}
		f.Summary = fmt.Sprintf("Backend Service %s does not exist", where)
		f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Service", Namespace: ns, Name: b.Name}}
		f.Shared = fmt.Sprintf("Service %s/%s does not exist", ns, b.Name)
		f.Fixes = []analyzers.Fix{{Why: "Show which Services there are", Argv: p.Kubectl(ns, "get", "services")}}
		var names []string
		for other := range cluster.In[*corev1.Service](p.Snapshot, ns) {
			names = append(names, other.Name)
		}
		if near, ok := analyzers.Nearest(b.Name, names); ok {
			f.Summary = fmt.Sprintf("Backend Service %s does not exist; %s was probably meant", where, near)
			f.Fixes = append([]analyzers.Fix{backendFix(p, o, field, "name", strconv.Quote(near), "Lead the route to Service "+near)}, f.Fixes...)
		}
		return f, true
	}
	if b.Port == nil || svc.Spec.Type == corev1.ServiceTypeExternalName || slices.ContainsFunc(svc.Spec.Ports, func(have corev1.ServicePort) bool { return int64(have.Port) == *b.Port }) {
		return f, false
	}
	f.Summary = fmt.Sprintf("Backend is port %d of Service %s, which has only %s", *b.Port, where, portsText(svc))
	f.Evidence = append(f.Evidence, on(svc, "spec.ports", "ports: "+portsText(svc)))
	f.Fixes = []analyzers.Fix{{Why: "Set the backend's port to one that the Service has", Argv: p.Kubectl(o.GetNamespace(), "edit", cluster.RefOf(o).Short())}}
	if to, ok := meantPort(svc, *b.Port); ok {
		f.Fixes = []analyzers.Fix{backendFix(p, o, field, "port", strconv.Itoa(int(to)), fmt.Sprintf("Lead the route to port %d of the Service", to))}
	}
	return f, true
}

// meantPort is the only port of a Service, or the one that leads to this port of its pods.
func meantPort(svc *corev1.Service, port int64) (int32, bool) {
	for _, have := range svc.Spec.Ports {
		if have.TargetPort.String() == strconv.FormatInt(port, 10) || len(svc.Spec.Ports) == 1 {
			return have.Port, true
		}
	}
	return 0, false
}

func hasServices(s *cluster.Snapshot, namespace string) bool {
	for range cluster.In[*corev1.Service](s, namespace) {
		return true
	}
	return false
}

// backendFix changes one field of one backend.
func backendFix(p *analyzers.Pass, o cluster.Object, field, name, to, why string) analyzers.Fix {
	path := "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(field) + "/" + name
	data := fmt.Sprintf(`[{"op":"replace","path":%q,"value":%s}]`, path, to)
	return analyzers.Fix{Why: why, Argv: p.Kubectl(o.GetNamespace(), "patch", strings.ToLower(cluster.RefOf(o).Kind), o.GetName(), "--type", "json", "-p", data)}
}

func portText(b backendRef) string {
	if b.Port == nil {
		return "none"
	}
	return strconv.FormatInt(*b.Port, 10)
}

func portsText(svc *corev1.Service) string {
	var out []string
	for _, port := range svc.Spec.Ports {
		out = append(out, strconv.Itoa(int(port.Port)))
	}
	if len(out) > 4 {
		out = append(out[:4], "…")
	}
	return strings.Join(out, ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
