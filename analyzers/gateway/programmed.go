package gateway

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotProgrammed finds Gateways that nobody serves.
var NotProgrammed = &analyzers.Analyzer{
	Name: "gateway/not-programmed",
	Doc: `Gateways that no controller serves: class, listeners, address

References of listeners are left to gateway/unresolved-refs. A Gateway in its first minutes, or one
whose controller has not seen its present generation yet, is not judged by its status.`,
	Needs: []schema.GroupKind{cluster.Gateways, cluster.GatewayClasses, cluster.ReferenceGrants, cluster.Services, cluster.Secrets},
	Emits: []analyzers.Code{notProgrammed},
	Run:   unprogrammed,
}

func unprogrammed(p *analyzers.Pass) error {
	for o := range cluster.ScopedOf(p.Snapshot, cluster.Gateways) {
		g, err := cluster.As[gatewaySpec](o)
		if err != nil || o.GetDeletionTimestamp() != nil || young(p.Snapshot, o, applyTime) && !manifest(o) {
			continue
		}
		class, ok := find(p.Snapshot, "GatewayClass", "", g.Spec.GatewayClassName)
		switch {
		case !ok && p.Sees(cluster.GatewayClasses, ""):
			reportMissingClass(p, o, g)
		case manifest(o):
		case !ok:
			judgeStatus(p, o, g)
		case !refusedClass(p, o, g, class):
			judgeStatus(p, o, g)
		}
	}
	return nil
}

func reportMissingClass(p *analyzers.Pass, o cluster.Object, g gatewaySpec) {
	name := g.Spec.GatewayClassName
	var names []string
	for class := range cluster.Of(p.Snapshot, cluster.GatewayClasses) {
		names = append(names, class.GetName())
	}
	if manifest(o) && len(names) == 0 {
		return // classes come with the controller, not with the application's manifests
	}
	f := analyzers.Finding{
		Code:     notProgrammed,
		Subject:  cluster.RefOf(o),
		Summary:  fmt.Sprintf("GatewayClass %s does not exist, so no controller serves the Gateway", name),
		Evidence: []analyzers.Evidence{on(o, "spec.gatewayClassName", "gatewayClassName: "+name)},
		CausedBy: []analyzers.Ref{classRef(name)},
		Shared:   fmt.Sprintf("GatewayClass %s does not exist", name),
		Fixes:    []analyzers.Fix{{Why: "Show which classes there are", Argv: p.Kubectl("", "get", "gatewayclasses")}},
	}
	near, ok := analyzers.Nearest(name, names)
	if !ok && len(names) == 1 {
		near, ok = names[0], true
		f.Summary = fmt.Sprintf("GatewayClass %s does not exist; the only class is %s", name, near)
	} else if ok {
		f.Summary = fmt.Sprintf("GatewayClass %s does not exist; %s was probably meant", name, near)
	}
	if ok {
		data := fmt.Sprintf(`{"spec":{"gatewayClassName":%q}}`, near)
		f.Fixes = append([]analyzers.Fix{{
			Why:   fmt.Sprintf("Give the Gateway to class %s", near),
			Argv:  p.Kubectl(o.GetNamespace(), "patch", "gateway", o.GetName(), "--type", "merge", "-p", data),
			Patch: &analyzers.Patch{Target: cluster.RefOf(o), Data: []byte(data)},
		}}, f.Fixes...)
	}
	p.Report(f)
}

// refusedClass reports a Gateway whose class no controller has accepted. A Gateway that
// is programmed proves that there is a controller, whatever its class says: some never
// write the status of a class.
func refusedClass(p *analyzers.Pass, o cluster.Object, g gatewaySpec, class cluster.Object) bool {
	c, err := cluster.As[gatewayClass](class)
	if err != nil || taken(g.Status.Conditions) {
		return false
	}
	f := analyzers.Finding{
		Code:     notProgrammed,
		Subject:  cluster.RefOf(o),
		CausedBy: []analyzers.Ref{cluster.RefOf(class)},
		Fixes:    []analyzers.Fix{{Why: "Show the class and what its controller says", Argv: p.Kubectl("", "describe", "gatewayclass", class.GetName())}},
	}
	accepted, ok := c.Status.Conditions.get(class, "Accepted")
	switch {
	case ok && accepted.Status == "False":
		f.Shared = fmt.Sprintf("GatewayClass %s is refused by its controller: %s", class.GetName(), analyzers.Line(accepted.Message, 80))
	case (!ok || accepted.Status == "Unknown") && !young(p.Snapshot, o, judgeTime) && !anyProgrammed(p.Snapshot, class.GetName()):
		f.Shared = fmt.Sprintf("No controller %s answers for GatewayClass %s", c.Spec.ControllerName, class.GetName())
	default:
		return false
	}
	f.Summary = f.Shared
	if ok {
		f.Evidence = append(f.Evidence, accepted.evidence(class, "status.conditions"))
	}
	if own, has := g.Status.Conditions.get(o, "Accepted"); has {
		f.Evidence = append(f.Evidence, own.evidence(o, "status.conditions"))
	}
	f.Evidence = append(f.Evidence, on(class, "spec.controllerName", c.Spec.ControllerName))
	p.Report(f)
	return true
}

// taken reports whether a controller has written anything: the API's default is Unknown.
func taken(list conditions) bool {
	return slices.ContainsFunc(list, func(c condition) bool { return c.Status != "Unknown" })
}

func anyProgrammed(s *cluster.Snapshot, class string) bool {
	for _, gw := range gateways(s) {
		if gw.spec.Spec.GatewayClassName == class && taken(gw.spec.Status.Conditions) {
			return true
		}
	}
	return false
}

// judgeStatus reports what the controller says of listeners, or of the whole Gateway when
// no listener explains it.
func judgeStatus(p *analyzers.Pass, o cluster.Object, g gatewaySpec) {
	if reportListeners(p, o, g) || len(refFaults(p.Snapshot, o, g)) > 0 {
		return
	}
	list := g.Status.Conditions
	f := analyzers.Finding{
		Code:    notProgrammed,
		Subject: cluster.RefOf(o),
		Fixes:   []analyzers.Fix{{Why: "Show the Gateway with all its conditions", Argv: p.Kubectl(o.GetNamespace(), "describe", "gateway", o.GetName())}},
	}
	programmed, hasProgrammed := list.get(o, "Programmed")
	accepted, hasAccepted := list.get(o, "Accepted")
	switch {
	case hasAccepted && accepted.Status == "False":
		f.Summary = fmt.Sprintf("Gateway is not accepted (%s): %s", accepted.Reason, analyzers.Line(accepted.Message, 100))
		f.Evidence = []analyzers.Evidence{accepted.evidence(o, "status.conditions")}
	case hasProgrammed && programmed.Status == "False":
		if young(p.Snapshot, o, addressTime) {
			return
		}
		f.Summary = fmt.Sprintf("Gateway is not programmed (%s): %s", programmed.Reason, analyzers.Line(programmed.Message, 100))
		f.Evidence = []analyzers.Evidence{programmed.evidence(o, "status.conditions")}
		if svc, ok := pendingService(p.Snapshot, o); ok {
			f.CausedBy = []analyzers.Ref{cluster.RefOf(svc)}
			f.Evidence = append(f.Evidence, on(svc, "status.loadBalancer.ingress", "loadBalancer.ingress: none"))
		}
	case !taken(list) && !young(p.Snapshot, o, judgeTime):
		if slices.ContainsFunc(list, func(c condition) bool { return c.ObservedGeneration != 0 && c.ObservedGeneration < o.GetGeneration() }) {
			return // the controller has yet to see the present generation
		}
		f.Summary = fmt.Sprintf("No controller has taken the Gateway of class %s", g.Spec.GatewayClassName)
		f.Evidence = []analyzers.Evidence{on(o, "status.conditions", "conditions: none")}
		if hasAccepted {
			f.Evidence = []analyzers.Evidence{accepted.evidence(o, "status.conditions")}
		}
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show the class and its controller", Argv: p.Kubectl("", "describe", "gatewayclass", g.Spec.GatewayClassName)})
	default:
		return
	}
	p.Report(f)
}

// reportListeners reports listeners that the controller does not take.
func reportListeners(p *analyzers.Pass, o cluster.Object, g gatewaySpec) bool {
	found := false
	for i, status := range g.Status.Listeners {
		c, bad := status.Conditions.get(o, "Conflicted")
		if bad = bad && c.Status == "True"; !bad {
			if c, bad = status.Conditions.isFalse(o, "Accepted"); !bad {
				continue
			}
		}
		what := "is not accepted"
		if c.Type == "Conflicted" {
			what = "conflicts with another one"
		}
		f := analyzers.Finding{
			Code:     notProgrammed,
			Subject:  cluster.RefOf(o),
			Part:     status.Name,
			Summary:  fmt.Sprintf("Listener %s %s (%s): %s", status.Name, what, c.Reason, analyzers.Line(c.Message, 90)),
			Evidence: []analyzers.Evidence{c.evidence(o, fmt.Sprintf("status.listeners[%d].conditions", i))},
			Fixes:    []analyzers.Fix{{Why: "Give each listener a port, protocol and host of its own that the controller supports", Argv: p.Kubectl(o.GetNamespace(), "edit", "gateway", o.GetName())}},
		}
		if at := slices.IndexFunc(g.Spec.Listeners, func(l listener) bool { return l.Name == status.Name }); at >= 0 {
			l := g.Spec.Listeners[at]
			f.Evidence = append(f.Evidence, on(o, fmt.Sprintf("spec.listeners[%d]", at), fmt.Sprintf("port %d, protocol %s, hostname %s", l.Port, l.Protocol, value(l.Hostname, "any"))))
		}
		p.Report(f)
		found = true
	}
	return found
}

// pendingService finds the LoadBalancer Service that a controller made for a Gateway and
// that has no address (label of GEP-1762, which Istio, Envoy Gateway, Cilium and Contour set).
func pendingService(s *cluster.Snapshot, o cluster.Object) (*corev1.Service, bool) {
	for svc := range cluster.In[*corev1.Service](s, o.GetNamespace()) {
		owned := svc.Labels[group+"/gateway-name"] == o.GetName()
		for _, owner := range svc.OwnerReferences {
			owned = owned || owner.Kind == "Gateway" && owner.Name == o.GetName()
		}
		if owned && svc.Spec.Type == corev1.ServiceTypeLoadBalancer && len(svc.Status.LoadBalancer.Ingress) == 0 {
			return svc, true
		}
	}
	return nil, false
}
