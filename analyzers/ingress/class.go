package ingress

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// legacyClass is the annotation that named the class before the field did; controllers
// still read it, and the value need not be the name of an IngressClass
// (k8s.io/api/networking/v1 annotations.go, AnnotationIngressClass is its successor's).
const legacyClass = "kubernetes.io/ingress.class"

// The names that controllers have in spec.controller of their IngressClass.
const (
	nginxController   = "k8s.io/ingress-nginx"
	nginxIncorporated = "nginx.org/ingress-controller"
	traefikController = "traefik.io/ingress-controller"
	contourController = "projectcontour.io/ingress-controller"
	haproxyTech       = "haproxy.org/ingress-controller"
	haproxyIngress    = "haproxy-ingress.github.io/controller"
	kongController    = "ingress-controllers.konghq.com/kong"
	awsController     = "ingress.k8s.aws/alb"
	eksController     = "eks.amazonaws.com/alb"
)

// programs are the image names of controllers that run as pods of the cluster. Those of
// clouds (GKE, EKS auto mode, application gateways) need not.
var programs = map[string][]string{
	nginxController:   {"ingress-nginx/controller", "ingress-nginx-controller", "nginx-ingress-controller"},
	nginxIncorporated: {"nginx/nginx-ingress", "nginx-ic/nginx-plus-ingress", "nginx-ingress"},
	traefikController: {"traefik"},
	contourController: {"contour"},
	haproxyTech:       {"kubernetes-ingress"},
	haproxyIngress:    {"haproxy-ingress"},
	kongController:    {"kubernetes-ingress-controller"},
}

// A class is who serves an Ingress.
type class struct {
	name       string // empty when the Ingress names none and there is no default
	legacy     bool   // the name comes from the annotation
	object     *networkingv1.IngressClass
	controller string // spec.controller of the class; empty when not known
}

// shared reports whether one data plane serves all Ingresses of the class, so that their
// hosts and paths meet. Clouds make a load balancer for each Ingress.
func (c class) shared() bool { return programs[c.controller] != nil }

// classOf tells who serves an Ingress. The annotation wins where it stands alone; a
// default class is written into spec.ingressClassName at creation (k8s.io/kubernetes
// plugin/pkg/admission/network/defaultingressclass/admission.go), and so holds only for
// Ingresses that came after it.
func classOf(s *cluster.Snapshot, in *networkingv1.Ingress) class {
	var c class
	switch {
	case in.Spec.IngressClassName != nil:
		c.name = *in.Spec.IngressClassName
	case in.Annotations[legacyClass] != "":
		c.name, c.legacy = in.Annotations[legacyClass], true
	}
	if object, ok := cluster.Find[*networkingv1.IngressClass](s, "", c.name); ok {
		c.object, c.controller = object, object.Spec.Controller
	}
	if c.legacy && c.object == nil && c.name == "nginx" {
		// The value that ingress-nginx takes without an IngressClass
		// (kubernetes/ingress-nginx internal/ingress/controller/ingressclass).
		c.controller = nginxController
	}
	return c
}

// defaults are the names of the default classes.
func defaults(s *cluster.Snapshot) []string {
	var out []string
	for c := range cluster.All[*networkingv1.IngressClass](s) {
		if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			out = append(out, c.Name)
		}
	}
	return out
}

// controllers returns the pods of each known controller, by its name in spec.controller.
func controllers(s *cluster.Snapshot) map[string][]*corev1.Pod {
	return cluster.Derive(s, "ingress.controllers", func() map[string][]*corev1.Pod {
		out := map[string][]*corev1.Pod{}
		for pod := range cluster.All[*corev1.Pod](s) {
			if cluster.PodFinished(pod) {
				continue
			}
			if name := controllerOf(pod); name != "" {
				out[name] = append(out[name], pod)
			}
		}
		return out
	})
}

// controllerOf tells which controller a pod runs. A program may have been told to answer
// for another name.
func controllerOf(pod *corev1.Pod) string {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		for _, arg := range slices.Concat(c.Command, c.Args) {
			if name, ok := strings.CutPrefix(strings.TrimLeft(arg, "-"), "controller-class="); ok {
				return name
			}
		}
		image := imageName(c.Image)
		for _, name := range controllerNames {
			for _, program := range programs[name] {
				if image == program || strings.HasSuffix(image, "/"+program) || strings.HasSuffix(image, "-"+program) {
					return name
				}
			}
		}
	}
	return ""
}

// controllerNames has the order in which images are compared: a name that is part of
// another one comes later.
var controllerNames = []string{nginxController, nginxIncorporated, haproxyTech, haproxyIngress, kongController, contourController, traefikController}

// imageName is an image without tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}

// ofClass returns the Ingresses of the same class, those out of scope included.
func ofClass(s *cluster.Snapshot, c class) []*networkingv1.Ingress {
	return cluster.Derive(s, "ingress.classes", func() map[string][]*networkingv1.Ingress {
		out := map[string][]*networkingv1.Ingress{}
		for in := range cluster.All[*networkingv1.Ingress](s) {
			if in.DeletionTimestamp == nil {
				name := classOf(s, in).name
				out[name] = append(out[name], in)
			}
		}
		return out
	})[c.name]
}

func hasAddress(in *networkingv1.Ingress) bool { return len(in.Status.LoadBalancer.Ingress) > 0 }

// solver reports whether cert-manager made the Ingress, for the minutes of a challenge.
func solver(in *networkingv1.Ingress) bool {
	return in.Labels["acme.cert-manager.io/http01-solver"] == "true"
}

// on is a piece of evidence about an object.
func on(o cluster.Object, path, quote string) analyzers.Evidence {
	return analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: path, Quote: analyzers.QuoteHead(quote)}
}
