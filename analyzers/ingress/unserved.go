package ingress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unserved finds Ingresses that no controller takes.
var Unserved = &analyzers.Analyzer{
	Name: "ingress/unserved",
	Doc: `Ingresses that no controller serves: class missing, none, or its controller down

An address in the status proves that a controller has taken the Ingress; its absence
proves little, because controllers without a load balancer may publish none. So it counts
only where other Ingresses of the same class have one, or the controller itself complains.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{noAddress},
	Run:   unserved,
}

// adoptTime is what a controller may take to write the address: ingress-nginx looks once
// a minute (internal/ingress/status/status.go, UpdateInterval), a cloud makes a load
// balancer first.
const adoptTime = 3 * time.Minute

func unserved(p *analyzers.Pass) error {
	reportTwoDefaults(p)
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || solver(in) || hasAddress(in) && controllersReady(p.Snapshot, classOf(p.Snapshot, in)) {
			continue
		}
		c := classOf(p.Snapshot, in)
		switch {
		case hasAddress(in):
			reportControllerDown(p, in, c)
		case c.name == "" && answered(p, in):
			reportNoAddress(p, in, c) // GKE's controller takes it, and needs no IngressClass
		case c.name == "":
			reportNoClass(p, in)
		case c.object == nil && !c.legacy && p.Sees(cluster.IngressClasses, ""):
			reportMissingClass(p, in, c)
		case c.object == nil && c.legacy && p.Sees(cluster.IngressClasses, ""):
			reportLegacyClass(p, in, c)
		case !controllersReady(p.Snapshot, c):
			reportControllerDown(p, in, c)
		default:
			reportNoAddress(p, in, c)
		}
	}
	return nil
}

// reportNoClass is about an Ingress without a class. Some controllers can be told to
// take those (ingress-nginx --watch-ingress-without-class, Traefik by default).
func reportNoClass(p *analyzers.Pass, in *networkingv1.Ingress) {
	if !p.Sees(cluster.IngressClasses, "") || p.Since(in.CreationTimestamp.Time) < adoptTime && !in.CreationTimestamp.IsZero() {
		return
	}
	var names []string
	for c := range cluster.All[*networkingv1.IngressClass](p.Snapshot) {
		names = append(names, c.Name)
		if c.Spec.Controller == traefikController {
			return // it takes what has no class, and publishes an address only when told to
		}
	}
	if slices.ContainsFunc(ofClass(p.Snapshot, class{}), hasAddress) {
		return // somebody takes Ingresses without a class
	}
	if takesClassless(p.Snapshot) || len(names) == 0 && len(controllers(p.Snapshot)) > 0 {
		return
	}
	f := analyzers.Finding{
		Code:     noAddress,
		Subject:  cluster.RefOf(in),
		Evidence: []analyzers.Evidence{on(in, "spec.ingressClassName", "ingressClassName: none"), on(in, "status.loadBalancer.ingress", "none")},
		Fixes:    []analyzers.Fix{{Why: "Show which classes there are", Argv: p.Kubectl("", "get", "ingressclasses")}},
	}
	switch marked := defaults(p.Snapshot); {
	case in.CreationTimestamp.IsZero() && (len(marked) > 0 || len(names) == 0):
		return // a manifest: the default class is written in at creation, and others live in the cluster
	case len(names) == 0:
		f.Severity = analyzers.Warning // nobody who installed no controller expects one to answer
		f.Summary = "Ingress names no class, and the cluster has no IngressClass: no controller is installed"
	case len(marked) > 0:
		f.Summary = fmt.Sprintf("Ingress names no class: default class %s came later and holds only for new Ingresses", marked[0])
		f.Fixes = classFix(p, in, marked[0])
	default:
		f.Summary = fmt.Sprintf("Ingress names no class, and none of the classes is the default: %s", strings.Join(names[:min(3, len(names))], ", "))
		if len(names) == 1 {
			f.Fixes = classFix(p, in, names[0])
		}
	}
	p.Report(f)
}

// takesClassless reports whether a controller takes Ingresses without a class: Contour
// does (internal/ingressclass/ingressclass.go), and ingress-nginx when told to.
func takesClassless(s *cluster.Snapshot) bool {
	return len(controllers(s)[contourController]) > 0 || len(controllers(s)[traefikController]) > 0 || told(s, func(arg string) bool {
		return strings.HasPrefix(arg, "watch-ingress-without-class") && !strings.HasSuffix(arg, "=false") || strings.HasPrefix(arg, "empty-ingress-class")
	})
}

// takesByName reports whether a controller compares the name alone, whatever
// IngressClasses there are: Contour and Kong do, and ingress-nginx where it may not read
// them (internal/ingress/controller/store/store.go, GetIngressClass).
func takesByName(s *cluster.Snapshot, name string) bool {
	return name == "contour" && len(controllers(s)[contourController]) > 0 || name == "kong" && len(controllers(s)[kongController]) > 0 ||
		told(s, func(arg string) bool { return strings.HasSuffix(arg, "="+name) })
}

// told reports whether a controller has such an argument, without its dashes, or such an
// environment variable.
func told(s *cluster.Snapshot, match func(string) bool) bool {
	for _, pods := range controllers(s) {
		for _, pod := range pods {
			for _, c := range pod.Spec.Containers {
				if slices.ContainsFunc(slices.Concat(c.Command, c.Args), func(arg string) bool { return match(strings.TrimLeft(arg, "-")) }) ||
					slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return match(e.Name + "=" + e.Value) }) {
					return true
				}
			}
		}
	}
	return false
}

func reportMissingClass(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	var names []string
	for have := range cluster.All[*networkingv1.IngressClass](p.Snapshot) {
		names = append(names, have.Name)
	}
	// Manifests alone know nothing of the cluster's classes. An address that another
	// Ingress got proves that somebody takes the name as it is.
	if in.CreationTimestamp.IsZero() && len(names) == 0 || takesByName(p.Snapshot, c.name) || slices.ContainsFunc(ofClass(p.Snapshot, c), hasAddress) {
		return
	}
	f := analyzers.Finding{
		Code:     noAddress,
		Subject:  cluster.RefOf(in),
		Summary:  fmt.Sprintf("IngressClass %s does not exist, so no controller serves the Ingress", c.name),
		Evidence: []analyzers.Evidence{on(in, "spec.ingressClassName", "ingressClassName: "+c.name)},
		CausedBy: []analyzers.Ref{{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass", Name: c.name}},
		Shared:   fmt.Sprintf("IngressClass %s does not exist", c.name),
		Fixes:    []analyzers.Fix{{Why: "Show which classes there are", Argv: p.Kubectl("", "get", "ingressclasses")}},
	}
	if len(names) == 0 {
		f.Severity = analyzers.Warning
		f.Summary = fmt.Sprintf("IngressClass %s does not exist, nor does any other: no ingress controller is installed", c.name)
	}
	near, ok := analyzers.Nearest(c.name, names)
	if !ok && len(names) == 1 {
		near, ok = names[0], true
		f.Summary = fmt.Sprintf("IngressClass %s does not exist; the only class is %s", c.name, near)
	} else if ok {
		f.Summary = fmt.Sprintf("IngressClass %s does not exist; %s was probably meant", c.name, near)
	}
	if ok {
		object, _ := cluster.Find[*networkingv1.IngressClass](p.Snapshot, "", near)
		f.Evidence = append(f.Evidence, on(object, "spec.controller", "controller: "+object.Spec.Controller))
		f.Fixes = append(classFix(p, in, near), f.Fixes...)
	}
	p.Report(f)
}

// reportLegacyClass judges the annotation by what is near: its values are agreed with
// the controller alone, which the Snapshot does not see.
func reportLegacyClass(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	names := []string{}
	for have := range cluster.All[*networkingv1.IngressClass](p.Snapshot) {
		names = append(names, have.Name)
	}
	near, ok := analyzers.Nearest(c.name, names)
	if !ok {
		return
	}
	p.Report(analyzers.Finding{
		Code:     noAddress,
		Subject:  cluster.RefOf(in),
		Summary:  fmt.Sprintf("Annotation %s names class %s, which does not exist; %s was probably meant", legacyClass, c.name, near),
		Evidence: []analyzers.Evidence{on(in, "metadata.annotations["+legacyClass+"]", c.name)},
		Fixes: []analyzers.Fix{{
			Why:  "Name the class in the field that replaced the annotation",
			Argv: p.Kubectl(in.Namespace, "patch", "ingress", in.Name, "--type", "merge", "-p", fmt.Sprintf(`{"metadata":{"annotations":{%q:null}},"spec":{"ingressClassName":%q}}`, legacyClass, near)),
		}},
	})
}

// controllersReady is false when the pods of the class's controller are known and none
// of them is ready. A controller whose pods are not seen may run anywhere.
func controllersReady(s *cluster.Snapshot, c class) bool {
	pods := controllers(s)[c.controller]
	if c.controller == "" || len(pods) == 0 {
		return true
	}
	return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
		if cluster.PodReady(pod) {
			return true
		}
		stage, _ := s.Unready(pod)
		return stage < cluster.Stuck && pod.DeletionTimestamp == nil
	})
}

func reportControllerDown(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	pod := controllers(p.Snapshot)[c.controller][0]
	root := p.Root(pod)
	_, why := p.Unready(pod)
	f := analyzers.Finding{
		Code:    noAddress,
		Subject: cluster.RefOf(in),
		Summary: fmt.Sprintf("No pod of %s, the controller of class %s, is ready: %s", root, c.name, or(why, "they are being deleted")),
		Evidence: []analyzers.Evidence{
			on(in, "spec.ingressClassName", c.name),
			{Source: cluster.RefOf(pod).String(), Path: "status.conditions[Ready]", Quote: "Ready: False"},
		},
		CausedBy: []analyzers.Ref{root},
		Shared:   fmt.Sprintf("No pod of the ingress controller %s is ready", root),
		Fixes:    []analyzers.Fix{{Why: "Show what keeps the controller's pods from being ready", Argv: p.Kubectl(pod.Namespace, "describe", root.Short())}},
	}
	p.Report(f)
}

// reportNoAddress is about an Ingress of a class that works for others.
func reportNoAddress(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	age := p.Since(in.CreationTimestamp.Time)
	if in.CreationTimestamp.IsZero() || age < adoptTime {
		return
	}
	f := analyzers.Finding{
		Code:     noAddress,
		Subject:  cluster.RefOf(in),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(in).String(), Path: "status.loadBalancer.ingress", Quote: "loadBalancer.ingress: none", At: in.CreationTimestamp.Time}},
		Fixes:    []analyzers.Fix{{Why: "Show the Ingress and its events", Argv: p.Kubectl(in.Namespace, "describe", "ingress", in.Name)}},
	}
	if ev, ok := p.LastEvent(in, controllerEvent); ok && ev.Type == corev1.EventTypeWarning {
		if _, denied := denial(ev.Message); denied {
			return // cloud-iam-denied-controller
		}
		f.Summary = "Controller refuses the Ingress: " + analyzers.Line(plainError(ev.Message), 110)
		f.Evidence = append([]analyzers.Evidence{analyzers.EventEvidence(cluster.RefOf(in), ev)}, f.Evidence...)
		p.Report(f)
		return
	}
	var with *networkingv1.Ingress
	for _, other := range ofClass(p.Snapshot, c) {
		if !hasAddress(other) {
			continue
		}
		// An Ingress that is as old and in the same namespace says more than one from a
		// time when the controller still wrote addresses.
		if with == nil || other.CreationTimestamp.After(with.CreationTimestamp.Time) {
			with = other
		}
	}
	if with == nil || !c.shared() {
		return // this controller may publish none at all; one of a cloud tells by events
	}
	f.Severity = analyzers.Warning // it may be served all the same
	f.Summary = fmt.Sprintf("Ingress got no address in %s, while %s of the same class %s has one", age.Round(time.Minute), cluster.RefOf(with), c.name)
	f.Evidence = append(f.Evidence, on(with, "status.loadBalancer.ingress", addressText(with)))
	p.Report(f)
}

// controllerEvent tells the events of controllers about an Ingress from those of others:
// Sync is ingress-nginx's note that it has seen it, and cert-manager writes about
// Certificates that it makes for it.
func controllerEvent(ev *corev1.Event) bool {
	from := or(ev.Source.Component, ev.ReportingController)
	return !strings.Contains(from, "cert-manager") && !strings.Contains(from, "external-dns")
}

// answered reports whether a controller has written events about the Ingress.
func answered(p *analyzers.Pass, in *networkingv1.Ingress) bool {
	_, ok := p.LastEvent(in, controllerEvent)
	return ok
}

// plainError drops what controllers put before the error itself.
func plainError(msg string) string {
	for _, prefix := range []string{"Failed deploy model due to ", "Failed build model due to ", "Error syncing to GCP: "} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	return strings.TrimSpace(msg)
}

func addressText(in *networkingv1.Ingress) string {
	first := in.Status.LoadBalancer.Ingress[0]
	return or(first.IP, first.Hostname)
}

// classFix names a class.
func classFix(p *analyzers.Pass, in *networkingv1.Ingress, name string) []analyzers.Fix {
	data := fmt.Sprintf(`{"spec":{"ingressClassName":%q}}`, name)
	return []analyzers.Fix{{
		Why:   fmt.Sprintf("Give the Ingress to class %s", name),
		Argv:  p.Kubectl(in.Namespace, "patch", "ingress", in.Name, "--type", "strategic", "-p", data),
		Patch: &analyzers.Patch{Target: cluster.RefOf(in), Data: []byte(data)},
	}}
}

// reportTwoDefaults is about two default classes: the newest is taken (k8s.io/kubernetes
// plugin/pkg/admission/network/defaultingressclass/admission.go, getDefaultClass).
func reportTwoDefaults(p *analyzers.Pass) {
	marked := defaults(p.Snapshot)
	if len(marked) < 2 || len(p.Info().Namespaces) > 0 {
		return
	}
	object, _ := cluster.Find[*networkingv1.IngressClass](p.Snapshot, "", marked[0])
	p.Report(analyzers.Finding{
		Code:     noAddress,
		Severity: analyzers.Warning,
		Subject:  cluster.RefOf(object),
		Summary:  fmt.Sprintf("Both %s and %s are the default class: a new Ingress without a class gets the newer one", marked[0], marked[1]),
		Evidence: []analyzers.Evidence{on(object, "metadata.annotations["+networkingv1.AnnotationIsDefaultIngressClass+"]", "true")},
		Fixes: []analyzers.Fix{{
			Why:  fmt.Sprintf("Leave %s the only default class", marked[1]),
			Argv: p.Kubectl("", "annotate", "ingressclass", marked[0], networkingv1.AnnotationIsDefaultIngressClass+"-"),
		}},
	})
}
