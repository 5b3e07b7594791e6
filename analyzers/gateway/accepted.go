package gateway

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotAccepted finds routes that their Gateway does not take.
var NotAccepted = &analyzers.Analyzer{
	Name: "gateway/not-accepted",
	Doc: `routes whose Gateway does not exist, does not admit them, or has not taken them

A parent that was taken out of the spec may leave its status behind, and a former
controller too: only the controller of the Gateway's class is listened to.`,
	Needs: []schema.GroupKind{cluster.HTTPRoutes, cluster.GRPCRoutes, cluster.Gateways, cluster.GatewayClasses, cluster.Namespaces},
	Emits: []analyzers.Code{notAccepted},
	Run:   unaccepted,
}

func unaccepted(p *analyzers.Pass) error {
	for o, r := range routes(p.Snapshot) {
		if young(p.Snapshot, o, applyTime) && !manifest(o) {
			continue
		}
		for i, ref := range r.Spec.ParentRefs {
			if !ref.toGateway() {
				continue // a mesh's Service is judged by its status alone, and Services always exist
			}
			gw, ok := gateways(p.Snapshot)[ref.namespace(o)+"/"+ref.Name]
			_, exists := find(p.Snapshot, "Gateway", ref.namespace(o), ref.Name)
			switch {
			case !exists && p.Sees(cluster.Gateways, ref.namespace(o)):
				reportNoGateway(p, o, r, i)
			case !ok || !reportNoListener(p, o, i, ref, gw.object, gw.spec):
				judgeParent(p, o, r, i, gw)
			}
		}
	}
	return nil
}

func parentField(i int) string { return fmt.Sprintf("spec.parentRefs[%d]", i) }

func newFinding(p *analyzers.Pass, o cluster.Object, ref parentRef) analyzers.Finding {
	return analyzers.Finding{
		Code:    notAccepted,
		Subject: cluster.RefOf(o),
		Part:    strings.Trim(ref.Name+"/"+value(ref.SectionName, ""), "/"),
		Fixes:   []analyzers.Fix{{Why: "Show the route with what each parent says of it", Argv: p.Kubectl(o.GetNamespace(), "describe", cluster.RefOf(o).Short())}},
	}
}

func reportNoGateway(p *analyzers.Pass, o cluster.Object, r routeSpec, i int) {
	ref := r.Spec.ParentRefs[i]
	ns := ref.namespace(o)
	var names, elsewhere []string
	for gw := range cluster.Of(p.Snapshot, cluster.Gateways) {
		if gw.GetNamespace() == ns {
			names = append(names, gw.GetName())
		} else if gw.GetName() == ref.Name {
			elsewhere = append(elsewhere, gw.GetNamespace())
		}
	}
	if manifest(o) && len(names) == 0 {
		return // the Gateway belongs to somebody else than the application's manifests
	}
	f := newFinding(p, o, ref)
	f.Summary = fmt.Sprintf("Gateway %s/%s, the parent of the route, does not exist", ns, ref.Name)
	f.Evidence = []analyzers.Evidence{on(o, parentField(i)+".name", "name: "+ref.Name)}
	f.CausedBy = []analyzers.Ref{gatewayRef(ns, ref.Name)}
	f.Shared = fmt.Sprintf("Gateway %s/%s does not exist", ns, ref.Name)
	near, ok := analyzers.Nearest(ref.Name, names)
	switch {
	case ok:
		f.Summary = fmt.Sprintf("Gateway %s/%s, the parent of the route, does not exist; %s was probably meant", ns, ref.Name, near)
		f.Fixes = append([]analyzers.Fix{parentFix(p, o, i, "name", near, fmt.Sprintf("Attach the route to Gateway %s", near))}, f.Fixes...)
	case len(elsewhere) == 1:
		f.Summary = fmt.Sprintf("Gateway %s does not exist in namespace %s; the one of that name is in namespace %s", ref.Name, ns, elsewhere[0])
		f.Fixes = append([]analyzers.Fix{parentFix(p, o, i, "namespace", elsewhere[0], "Name the Gateway's namespace")}, f.Fixes...)
	}
	p.Report(f)
}

// parentFix changes one field of one parent; "add" also replaces what is there.
func parentFix(p *analyzers.Pass, o cluster.Object, i int, field, to, why string) analyzers.Fix {
	data := fmt.Sprintf(`[{"op":"add","path":"/spec/parentRefs/%d/%s","value":%q}]`, i, field, to)
	return analyzers.Fix{Why: why, Argv: p.Kubectl(o.GetNamespace(), "patch", strings.ToLower(cluster.RefOf(o).Kind), o.GetName(), "--type", "json", "-p", data)}
}

// reportNoListener is about a sectionName that no listener has, which controllers answer
// with NoMatchingParent (apis/v1 shared_types.go).
func reportNoListener(p *analyzers.Pass, o cluster.Object, i int, ref parentRef, gw cluster.Object, g gatewaySpec) bool {
	var names []string
	for _, l := range g.Spec.Listeners {
		names = append(names, l.Name)
	}
	want := value(ref.SectionName, "")
	if want == "" || slices.Contains(names, want) {
		return false
	}
	f := newFinding(p, o, ref)
	f.Summary = fmt.Sprintf("Gateway %s has no listener %s, only %s", gw.GetName(), want, strings.Join(names[:min(4, len(names))], ", "))
	f.Evidence = []analyzers.Evidence{
		on(o, parentField(i)+".sectionName", "sectionName: "+want),
		on(gw, "spec.listeners[*].name", strings.Join(names, ", ")),
	}
	near, ok := analyzers.Nearest(want, names)
	if !ok && len(names) == 1 {
		near, ok = names[0], true
	}
	if ok {
		f.Fixes = append([]analyzers.Fix{parentFix(p, o, i, "sectionName", near, fmt.Sprintf("Attach the route to listener %s", near))}, f.Fixes...)
	}
	p.Report(f)
	return true
}

// judgeParent reports what the controller says of a route and its parent, which is empty
// when the Gateway is not seen.
func judgeParent(p *analyzers.Pass, o cluster.Object, r routeSpec, i int, parent served) {
	ref := r.Spec.ParentRefs[i]
	gw, g := parent.object, parent.spec
	list := r.statuses(o, ref, parent.controller)
	f := newFinding(p, o, ref)
	for _, st := range list {
		c, refused := st.Conditions.isFalse(o, "Accepted")
		if !refused {
			if st.Conditions.isTrue(o, "Accepted") {
				return
			}
			continue
		}
		f.Evidence = []analyzers.Evidence{c.evidence(o, "status.parents.conditions")}
		f.Summary = fmt.Sprintf("Gateway %s does not accept the route (%s): %s", ref.Name, c.Reason, analyzers.Line(c.Message, 80))
		if gw != nil {
			explain(p, o, r, ref, gw, g, c, &f)
		}
		p.Report(f)
		return
	}
	// Nobody has said a word.
	if gw == nil || len(list) > 0 || manifest(o) || young(p.Snapshot, o, judgeTime) || young(p.Snapshot, gw, judgeTime) {
		return
	}
	f.Evidence = []analyzers.Evidence{on(o, "status.parents", "parents: none of "+ref.Name)}
	f.CausedBy = []analyzers.Ref{cluster.RefOf(gw)}
	f.Shared = fmt.Sprintf("Gateway %s has taken none of its routes", cluster.RefOf(gw))
	f.Summary = fmt.Sprintf("Gateway %s has not taken the route: no controller has written a status for it", ref.Name)
	p.Report(f)
}

// explain says in place of the controller's general words which listener wants what.
func explain(p *analyzers.Pass, o cluster.Object, r routeSpec, ref parentRef, gw cluster.Object, g gatewaySpec, c condition, f *analyzers.Finding) {
	listeners := slices.DeleteFunc(slices.Clone(g.Spec.Listeners), func(l listener) bool {
		return value(ref.SectionName, l.Name) != l.Name || value(ref.Port, l.Port) != l.Port
	})
	switch c.Reason {
	case "NoMatchingListenerHostname":
		var want []string
		for _, l := range listeners {
			if l.Hostname != nil && !meets(r.Spec.Hostnames, l) {
				want = append(want, *l.Hostname)
			}
		}
		if len(want) == 0 || len(r.Spec.Hostnames) == 0 {
			return
		}
		f.Summary = fmt.Sprintf("Host %s of the route fits no listener of Gateway %s, which has %s", r.Spec.Hostnames[0], gw.GetName(), strings.Join(want[:min(3, len(want))], ", "))
		f.Evidence = append(f.Evidence, on(o, "spec.hostnames", strings.Join(r.Spec.Hostnames, ", ")), on(gw, "spec.listeners[*].hostname", strings.Join(want, ", ")))
		f.Fixes = append([]analyzers.Fix{{Why: "Give the route a host that a listener has, or the Gateway a listener for the host", Argv: p.Kubectl(o.GetNamespace(), "edit", cluster.RefOf(o).Short())}}, f.Fixes...)
	case "NotAllowedByListeners":
		for _, l := range listeners {
			yes, known := l.admits(p.Snapshot, gw, o)
			if yes || !known {
				continue
			}
			from := "Same"
			if l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil {
				from = value(l.AllowedRoutes.Namespaces.From, "Same")
			}
			if from == "Selector" {
				from = "Selector " + metav1.FormatLabelSelector(l.AllowedRoutes.Namespaces.Selector)
			}
			f.Summary = fmt.Sprintf("Listener %s of Gateway %s admits no routes from namespace %s: from is %s", l.Name, gw.GetName(), o.GetNamespace(), analyzers.Line(from, 50))
			f.Evidence = append(f.Evidence, on(gw, "spec.listeners["+l.Name+"].allowedRoutes.namespaces", "from: "+from))
			f.Fixes = append([]analyzers.Fix{admitFix(p, o, gw, l, from)}, f.Fixes...)
			return
		}
	case "InvalidGateway", "NoReadyListeners", "Pending", "ListenersNotReady":
		f.CausedBy = []analyzers.Ref{cluster.RefOf(gw)}
	case "NoMatchingParent":
		if ref.Port != nil && len(listeners) == 0 {
			f.Summary = fmt.Sprintf("Gateway %s has no listener on port %d", gw.GetName(), *ref.Port)
		} else {
			f.CausedBy = []analyzers.Ref{cluster.RefOf(gw)}
		}
	}
}

// admitFix admits the route's namespace. By label where the listener selects by labels
// that are known.
func admitFix(p *analyzers.Pass, o, gw cluster.Object, l listener, from string) analyzers.Fix {
	if strings.HasPrefix(from, "Selector") && l.AllowedRoutes.Namespaces.Selector != nil && len(l.AllowedRoutes.Namespaces.Selector.MatchExpressions) == 0 {
		args := []string{"label", "namespace", o.GetNamespace()}
		for _, k := range sortedKeys(l.AllowedRoutes.Namespaces.Selector.MatchLabels) {
			args = append(args, k+"="+l.AllowedRoutes.Namespaces.Selector.MatchLabels[k])
		}
		return analyzers.Fix{Why: "Give the namespace the labels that the listener selects", Argv: p.Kubectl("", args...)}
	}
	return analyzers.Fix{
		Why:  fmt.Sprintf("Admit namespace %s in allowedRoutes.namespaces of listener %s, by a selector of its label kubernetes.io/metadata.name", o.GetNamespace(), l.Name),
		Argv: p.Kubectl(gw.GetNamespace(), "edit", "gateway", gw.GetName()),
	}
}
