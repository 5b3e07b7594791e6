package ingress

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// WrongProtocol finds Ingresses that speak another protocol than their pods.
var WrongProtocol = &analyzers.Analyzer{
	Name: "ingress/wrong-protocol",
	Doc: `Ingresses whose backend-protocol is not the one that the pods' probes speak

A probe that succeeds over HTTP or HTTPS proves what the port speaks. Names and numbers of
ports prove nothing: 443 and 8443 are often plain inside the cluster.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{badGateway},
	Run:   wrongProtocol,
}

func wrongProtocol(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || classOf(p.Snapshot, in).controller != nginxController {
			continue
		}
		key := nginxPrefix + "backend-protocol"
		asked := strings.ToUpper(or(in.Annotations[key], "HTTP"))
		if asked != "HTTP" && asked != "HTTPS" || in.Annotations[nginxPrefix+"ssl-passthrough"] == "true" || hasSnippet(in) {
			continue
		}
		for _, r := range routes(in) {
			svc, ok := cluster.Find[*corev1.Service](p.Snapshot, in.Namespace, r.to.Name)
			if !ok || len(svc.Spec.Selector) == 0 {
				continue
			}
			port, ok := findPort(svc, r.to.Port)
			if !ok {
				continue
			}
			spoken, pod, path, ok := speaks(p.Snapshot, svc, port)
			if !ok || spoken == asked {
				continue
			}
			root := p.Root(pod)
			f := analyzers.Finding{
				Code:     badGateway,
				Subject:  cluster.RefOf(in),
				Part:     svc.Name,
				Summary:  fmt.Sprintf("%s speaks %s on the port behind %s, and the Ingress asks it by %s", root.Kind+" "+root.Name, spoken, or(r.where(), "/"), asked),
				Evidence: []analyzers.Evidence{on(in, annotationField(key), or(in.Annotations[key], "not set (HTTP)")), on(pod, path, "scheme: "+spoken)},
				Fixes:    []analyzers.Fix{annotate(p, in, "Speak "+spoken+" to the pods", key, spoken, "")},
			}
			p.Report(f)
		}
	}
	return nil
}

func hasSnippet(in *networkingv1.Ingress) bool {
	_, a := in.Annotations[nginxPrefix+"configuration-snippet"]
	_, b := in.Annotations[nginxPrefix+"server-snippet"]
	return a || b
}

// speaks tells by a readiness probe that succeeds which protocol a port of the pods has.
func speaks(s *cluster.Snapshot, svc *corev1.Service, port corev1.ServicePort) (spoken string, pod *corev1.Pod, path string, ok bool) {
	for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
		if !cluster.PodReady(pod) {
			continue
		}
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet == nil {
				continue
			}
			get := c.ReadinessProbe.HTTPGet
			if n := portNumber(c, get.Port); n == 0 || n != targetNumber(pod, port) {
				continue
			}
			spoken := "HTTP"
			if get.Scheme == corev1.URISchemeHTTPS {
				spoken = "HTTPS"
			}
			return spoken, pod, fmt.Sprintf("spec.containers[%s].readinessProbe.httpGet", c.Name), true
		}
	}
	return "", nil, "", false
}

// portNumber resolves a port of a probe in its container.
func portNumber(c *corev1.Container, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, have := range c.Ports {
		if have.Name == port.StrVal {
			return have.ContainerPort
		}
	}
	return 0
}

// targetNumber is the port of the pod that a port of a Service leads to.
func targetNumber(pod *corev1.Pod, port corev1.ServicePort) int32 {
	switch {
	case port.TargetPort.Type == intstr.String:
		for _, c := range cluster.Containers(&pod.Spec) {
			if n := portNumber(&c, port.TargetPort); n != 0 {
				return n
			}
		}
		return 0
	case port.TargetPort.IntVal != 0:
		return port.TargetPort.IntVal
	}
	return port.Port
}
