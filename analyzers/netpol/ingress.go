package netpol

import (
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// IngressCutOff reports policies that keep the Ingress controller out of the pods behind
// an Ingress: all users wait in vain. It is an error when the controller's log tells of a
// connection to these pods that timed out, else a warning, and that only where the network
// plugin is known to apply policies and every controller of the class is kept out.
var IngressCutOff = &analyzers.Analyzer{
	Name:  "netpol/ingress-cut-off",
	Doc:   "network policies that keep the Ingress controller out of its backends",
	Needs: evaluated(cluster.Ingresses, cluster.IngressClasses),
	Emits: []analyzers.Code{defaultDeny, selectorMistake},
	Run: func(p *analyzers.Pass) error {
		if !policies(p) || reach.Plugin(p.Snapshot).NotEnforced() {
			return nil
		}
		for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
			for _, b := range backendsOf(in) {
				keptOut(p, in, b)
			}
		}
		return nil
	},
}

// controllers are the labels that the charts of shared controllers give to their pods
// (app.kubernetes.io/name), by what an IngressClass calls them.
var controllers = map[string]string{
	"k8s.io/ingress-nginx":                 "ingress-nginx",
	"nginx.org/ingress-controller":         "nginx-ingress",
	"traefik.io/ingress-controller":        "traefik",
	"haproxy.org/ingress-controller":       "kubernetes-ingress",
	"haproxy-ingress.github.io/controller": "haproxy-ingress",
	"ingress-controllers.konghq.com/kong":  "kong",
}

// controllersFor are the running pods of the controller of an Ingress' class.
func controllersFor(p *analyzers.Pass, in *networkingv1.Ingress) []*corev1.Pod {
	name := in.Annotations["kubernetes.io/ingress.class"]
	if in.Spec.IngressClassName != nil {
		name = *in.Spec.IngressClassName
	}
	class, ok := cluster.Find[*networkingv1.IngressClass](p.Snapshot, "", name)
	if !ok || controllers[class.Spec.Controller] == "" {
		return nil
	}
	byName := cluster.Derive(p.Snapshot, "netpol.controllers", func() map[string][]*corev1.Pod {
		out := map[string][]*corev1.Pod{}
		for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
			name, component := pod.Labels["app.kubernetes.io/name"], pod.Labels["app.kubernetes.io/component"]
			if name != "" && (component == "" || component == "controller") && cluster.PodReady(pod) {
				out[name] = append(out[name], pod)
			}
		}
		return out
	})
	return byName[controllers[class.Spec.Controller]]
}

// A backend is a Service and its port, as an Ingress names them.
type backend struct {
	service string
	port    reach.Ask
}

func backendsOf(in *networkingv1.Ingress) []backend {
	var out []backend
	add := func(b *networkingv1.IngressBackend) {
		if b == nil || b.Service == nil {
			return
		}
		x := backend{b.Service.Name, reach.Ask{Number: b.Service.Port.Number, Name: b.Service.Port.Name}}
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	add(in.Spec.DefaultBackend)
	for _, r := range in.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for i := range r.HTTP.Paths {
			add(&r.HTTP.Paths[i].Backend)
		}
	}
	return out
}

func keptOut(p *analyzers.Pass, in *networkingv1.Ingress, b backend) {
	svc, ok := cluster.Find[*corev1.Service](p.Snapshot, in.Namespace, b.service)
	if !ok {
		return
	}
	if ready, _, known := p.Serving(svc); known && ready == 0 {
		return // it has a fault of its own
	}
	pods := controllersFor(p, in)
	var first *reach.Side
	for _, pod := range pods {
		answer, err := reach.Evaluate(p.Snapshot, reach.OfPod(pod), reach.OfService(svc), b.port)
		if err != nil || answer.State != reach.Denied || slices.ContainsFunc(answer.Hops, func(h reach.Hop) bool { return h.State != reach.Denied }) {
			return
		}
		if sides := answer.Hops[0].Denies(); first == nil && len(sides) > 0 {
			first = sides[0]
		}
	}
	if first == nil {
		return
	}
	severity := analyzers.Warning
	seen, ok := timedOut(p, pods, svc)
	switch {
	case ok:
		severity = analyzers.Error
	case !reach.Plugin(p.Snapshot).Enforced():
		return
	default:
		seen = analyzers.Evidence{Source: cluster.RefOf(in).String(), Path: "spec.rules", Quote: "backend Service " + svc.Name}
	}
	controller := p.Root(pods[0])
	c := cut{side: first, client: controller, target: "Service " + svc.Name, ask: question(controller, reach.OfService(svc), int(b.port.Number))}
	f := c.finding(p, pods[0], seen)
	f.Severity, f.Affected = severity, []analyzers.Ref{cluster.RefOf(in)}
	f.Summary = analyzers.Line(fmt.Sprintf("Ingress %s gets no answer from Service %s, as no rule of NetworkPolicy %s lets %s %s/%s in", in.Name, svc.Name, f.Subject.Name, controller.Kind, controller.Namespace, controller.Name), analyzers.MaxSummary)
	if n, ok := c.near(); ok {
		f.Summary = analyzers.Line(fmt.Sprintf("NetworkPolicy %s %s: Ingress %s gets no answer from Service %s", f.Subject.Name, n.Text, in.Name, svc.Name), analyzers.MaxSummary)
	}
	if f.Code == ipBlockExternal {
		f.Code = selectorMistake
	}
	p.Report(f)
}

// connecting is what nginx logs of a backend that does not answer
// (nginx src/http/ngx_http_upstream.c: "upstream timed out", "connecting to upstream").
var connecting = regexp.MustCompile(`upstream timed out .* while connecting to upstream.* upstream: "[a-z]+://\[?([0-9a-fA-F.:]+?)\]?:\d+`)

// timedOut finds a connection to the pods of a Service that timed out, in the controllers' logs.
func timedOut(p *analyzers.Pass, controllers []*corev1.Pod, svc *corev1.Service) (analyzers.Evidence, bool) {
	addresses := map[string]bool{}
	for _, pod := range p.PodsWith(svc.Namespace, svc.Spec.Selector) {
		addresses[pod.Status.PodIP] = pod.Status.PodIP != ""
	}
	for _, pod := range controllers {
		for _, c := range pod.Spec.Containers {
			log, ok := p.Log(pod, c.Name, false)
			if !ok {
				continue
			}
			lines := log.Lines()
			for i := len(lines) - 1; i >= 0; i-- {
				if m := connecting.FindStringSubmatch(lines[i]); m != nil && addresses[m[1]] {
					return analyzers.Evidence{Source: "Log of " + cluster.RefOf(pod).String() + " container " + c.Name, Quote: analyzers.QuoteHead(lines[i])}, true
				}
			}
		}
	}
	return analyzers.Evidence{}, false
}
