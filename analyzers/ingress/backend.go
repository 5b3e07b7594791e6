package ingress

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MissingBackend finds Ingresses whose backend Service or its port does not exist.
var MissingBackend = &analyzers.Analyzer{
	Name: "ingress/missing-backend",
	Doc: `Ingresses that lead to a Service or port that does not exist

A backend is always in the namespace of the Ingress. The API server accepts any name:
controllers answer with 503 (ingress-nginx, Contour) or leave the rule out (Traefik).`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Services},
	Emits: []analyzers.Code{noEndpoints},
	Run:   missingBackend,
}

// A route is one backend of an Ingress and where it stands.
type route struct {
	field string // spec.rules[0].http.paths[1].backend
	host  string
	path  networkingv1.HTTPIngressPath // zero for the default backend
	to    *networkingv1.IngressServiceBackend
}

// where names a route as a person reads it in the Ingress: host and path.
func (r route) where() string {
	if r.path.PathType == nil && r.path.Path == "" {
		return "the default backend"
	}
	return r.host + or(r.path.Path, "/")
}

// routes are the Services that an Ingress leads to. A resource backend has none.
func routes(in *networkingv1.Ingress) []route {
	var out []route
	if b := in.Spec.DefaultBackend; b != nil && b.Service != nil {
		out = append(out, route{field: "spec.defaultBackend", to: b.Service})
	}
	for i, rule := range in.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for j, path := range rule.HTTP.Paths {
			if path.Backend.Service != nil {
				out = append(out, route{fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", i, j), rule.Host, path, path.Backend.Service})
			}
		}
	}
	return out
}

func missingBackend(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || solver(in) {
			continue
		}
		seen := map[string]bool{}
		for _, r := range routes(in) {
			// One finding for a Service, however many paths lead to it.
			key := r.to.Name + "/" + portText(r.to.Port)
			if r.to.Name == "" || seen[key] || pseudoBackend(in, r.to) {
				continue
			}
			seen[key] = true
			svc, ok := cluster.Find[*corev1.Service](p.Snapshot, in.Namespace, r.to.Name)
			switch {
			case !ok && p.Sees(cluster.Services, in.Namespace):
				reportMissingService(p, in, r)
			case ok:
				judgePort(p, in, r, svc)
			}
		}
	}
	return nil
}

// pseudoBackend is true for the names that the AWS Load Balancer Controller takes for an
// action in an annotation: ssl-redirect with the port use-annotation
// (kubernetes-sigs/aws-load-balancer-controller docs/guide/ingress/annotations.md).
func pseudoBackend(in *networkingv1.Ingress, to *networkingv1.IngressServiceBackend) bool {
	_, action := in.Annotations["alb.ingress.kubernetes.io/actions."+to.Name]
	return to.Port.Name == "use-annotation" || action
}

func reportMissingService(p *analyzers.Pass, in *networkingv1.Ingress, r route) {
	missing := analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: in.Namespace, Name: r.to.Name}
	f := analyzers.Finding{
		Code:     noEndpoints,
		Subject:  cluster.RefOf(in),
		Part:     r.to.Name,
		Evidence: []analyzers.Evidence{on(in, r.field+".service.name", "name: "+r.to.Name)},
		CausedBy: []analyzers.Ref{missing},
		Shared:   fmt.Sprintf("Service %s/%s does not exist", in.Namespace, r.to.Name),
		Summary:  fmt.Sprintf("Backend of %s is Service %s, which does not exist in namespace %s", r.where(), r.to.Name, in.Namespace),
	}
	if near, ok := nearService(p.Snapshot, in, r.to); ok {
		f.Summary = fmt.Sprintf("Backend of %s is Service %s, which does not exist; %s was probably meant", r.where(), r.to.Name, near.Name)
		f.Evidence = append(f.Evidence, on(near, "spec.ports", portsText(near)))
		f.Fixes = []analyzers.Fix{backendFix(p, in, fmt.Sprintf("Lead the Ingress to Service %s", near.Name), func(b *networkingv1.IngressServiceBackend) {
			if b.Name == r.to.Name {
				b.Name = near.Name
			}
		})}
	} else if other, ok := elsewhere(p.Snapshot, in.Namespace, r.to.Name); ok {
		f.Summary = fmt.Sprintf("Backend of %s is Service %s, which is in namespace %s: an Ingress only reaches its own", r.where(), r.to.Name, other.Namespace)
		f.Evidence = append(f.Evidence, on(other, "metadata.namespace", "namespace: "+other.Namespace))
		f.Fixes = []analyzers.Fix{{
			Why:  fmt.Sprintf("Show the Ingress, to move its rule to namespace %s, where the Service is", other.Namespace),
			Argv: p.Kubectl(in.Namespace, "get", "ingress", in.Name, "-o", "yaml"),
		}}
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show which Services there are", Argv: p.Kubectl(in.Namespace, "get", "services")})
	p.Report(f)
}

// nearService is the Service that a name was probably meant to be: one with a similar
// name, or with the port that is asked for when a word was left out or added.
func nearService(s *cluster.Snapshot, in *networkingv1.Ingress, to *networkingv1.IngressServiceBackend) (*corev1.Service, bool) {
	var names []string
	var longer []*corev1.Service
	for svc := range cluster.In[*corev1.Service](s, in.Namespace) {
		names = append(names, svc.Name)
		if (strings.HasPrefix(svc.Name, to.Name+"-") || strings.HasPrefix(to.Name, svc.Name+"-") || strings.HasSuffix(svc.Name, "-"+to.Name)) && svc.Spec.ClusterIP != corev1.ClusterIPNone {
			if _, ok := findPort(svc, to.Port); ok {
				longer = append(longer, svc)
			}
		}
	}
	if near, ok := analyzers.Nearest(to.Name, names); ok {
		return cluster.Find[*corev1.Service](s, in.Namespace, near)
	}
	if len(longer) == 1 {
		return longer[0], true
	}
	return nil, false
}

// elsewhere finds the only Service of that name in another namespace.
func elsewhere(s *cluster.Snapshot, namespace, name string) (*corev1.Service, bool) {
	found := cluster.Derive(s, "ingress.service-names", func() map[string][]*corev1.Service {
		out := map[string][]*corev1.Service{}
		for svc := range cluster.All[*corev1.Service](s) {
			out[svc.Name] = append(out[svc.Name], svc)
		}
		return out
	})[name]
	if len(found) != 1 || found[0].Namespace == namespace {
		return nil, false
	}
	return found[0], true
}

func judgePort(p *analyzers.Pass, in *networkingv1.Ingress, r route, svc *corev1.Service) {
	// Anything is a port of an alias, and of a headless Service in most controllers.
	if svc.Spec.Type == corev1.ServiceTypeExternalName || len(svc.Spec.Ports) == 0 {
		return
	}
	if _, ok := findPort(svc, r.to.Port); ok {
		return
	}
	c := classOf(p.Snapshot, in)
	f := analyzers.Finding{
		Code:    noEndpoints,
		Subject: cluster.RefOf(in),
		Part:    r.to.Name,
		Summary: fmt.Sprintf("Backend of %s is port %s of Service %s, which has only %s", r.where(), portText(r.to.Port), svc.Name, portsText(svc)),
		Evidence: []analyzers.Evidence{
			on(in, r.field+".service.port", "port: "+portText(r.to.Port)),
			on(svc, "spec.ports", "ports: "+portsText(svc)),
		},
	}
	if byTarget(svc, r.to.Port) {
		// ingress-nginx also takes the number of a target port (internal/ingress/
		// controller/controller.go, serviceEndpoints); no other controller is known to.
		if c.controller == nginxController || c.controller == "" && (c.name == "" || strings.Contains(c.name, "nginx")) {
			return
		}
		f.Summary = fmt.Sprintf("Backend of %s is port %s of Service %s, a port of its pods: the Service's own is %s", r.where(), portText(r.to.Port), svc.Name, portsText(svc))
	}
	if to, ok := meantPort(svc, r.to.Port); ok {
		f.Fixes = []analyzers.Fix{backendFix(p, in, fmt.Sprintf("Lead the Ingress to port %s of Service %s", portText(to), svc.Name), func(b *networkingv1.IngressServiceBackend) {
			if b.Name == r.to.Name && b.Port == r.to.Port {
				b.Port = to
			}
		})}
	} else {
		f.Fixes = []analyzers.Fix{{Why: "Set the backend's port to one that the Service has", Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name)}}
	}
	p.Report(f)
}

// findPort finds the port of a Service that a backend names: by name or by number.
func findPort(svc *corev1.Service, port networkingv1.ServiceBackendPort) (corev1.ServicePort, bool) {
	for _, have := range svc.Spec.Ports {
		if port.Name != "" && have.Name == port.Name || port.Name == "" && have.Port == port.Number {
			return have, true
		}
	}
	return corev1.ServicePort{}, false
}

func byTarget(svc *corev1.Service, port networkingv1.ServiceBackendPort) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(have corev1.ServicePort) bool {
		return have.TargetPort.String() == portText(port)
	})
}

// meantPort is the only port of a Service, that with a near name, or that which leads to
// the port of the pods that the backend names.
func meantPort(svc *corev1.Service, port networkingv1.ServiceBackendPort) (networkingv1.ServiceBackendPort, bool) {
	var tcp []corev1.ServicePort
	var names []string
	for _, have := range svc.Spec.Ports {
		if have.Protocol == corev1.ProtocolUDP {
			continue
		}
		if have.TargetPort.String() == portText(port) {
			return networkingv1.ServiceBackendPort{Number: have.Port}, true
		}
		tcp = append(tcp, have)
		names = append(names, have.Name)
	}
	if near, ok := analyzers.Nearest(port.Name, names); ok && port.Name != "" {
		return networkingv1.ServiceBackendPort{Name: near}, true
	}
	if len(tcp) != 1 {
		return networkingv1.ServiceBackendPort{}, false
	}
	if port.Name != "" && tcp[0].Name != "" {
		return networkingv1.ServiceBackendPort{Name: tcp[0].Name}, true
	}
	return networkingv1.ServiceBackendPort{Number: tcp[0].Port}, true
}

// backendFix changes backends of an Ingress. Rules and paths are lists that a patch can
// only replace as a whole (listType atomic, k8s.io/api/networking/v1 types.go).
func backendFix(p *analyzers.Pass, in *networkingv1.Ingress, why string, change func(*networkingv1.IngressServiceBackend)) analyzers.Fix {
	spec := in.Spec.DeepCopy()
	data := map[string]any{}
	for _, r := range routes(&networkingv1.Ingress{Spec: *spec}) {
		before := *r.to
		if change(r.to); *r.to == before {
			continue
		}
		if r.field == "spec.defaultBackend" {
			data["defaultBackend"] = map[string]any{"service": map[string]any{"name": r.to.Name, "port": portPatch(r.to.Port)}}
		} else {
			data["rules"] = spec.Rules
		}
	}
	patch, _ := json.Marshal(map[string]any{"spec": data})
	return analyzers.Fix{
		Why:   why,
		Argv:  p.Kubectl(in.Namespace, "patch", "ingress", in.Name, "--type", "strategic", "-p", string(patch)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(in), Data: patch},
	}
}

// portPatch replaces a port: a number in place of a name, or a name in place of a number.
func portPatch(port networkingv1.ServiceBackendPort) map[string]any {
	if port.Name != "" {
		return map[string]any{"name": port.Name, "number": nil}
	}
	return map[string]any{"name": nil, "number": port.Number}
}

func portText(port networkingv1.ServiceBackendPort) string {
	return or(port.Name, strconv.Itoa(int(port.Number)))
}

func portsText(svc *corev1.Service) string {
	var out []string
	for _, port := range svc.Spec.Ports {
		text := strconv.Itoa(int(port.Port))
		if port.Name != "" {
			text += " (" + port.Name + ")"
		}
		out = append(out, text)
	}
	if len(out) > 4 {
		out = append(out[:4], "…")
	}
	return strings.Join(out, ", ")
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
