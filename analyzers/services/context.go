package services

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// replicaFailure reports whether a controller says that it cannot create its pods.
func replicaFailure(o cluster.Object) bool {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return slices.ContainsFunc(o.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
			return c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue
		})
	case *appsv1.ReplicaSet:
		return slices.ContainsFunc(o.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
			return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue
		})
	}
	return false
}

// A role is a label that a program gives its own pods while they run, such as
// role=master of a database: the pod template knows nothing of it.
type role struct {
	of       analyzers.Ref
	asked    string
	standby  bool
	evidence analyzers.Evidence
}

var leaderWords = regexp.MustCompile(`(?i)^(master|primary|leader|active|writer|rw|true)$`)

// electedRole tells whether the one label that the selector misses is such a role. A
// Service for standbys is rightly empty where one pod is all there is; a Service for the
// leader never is.
func electedRole(s *cluster.Snapshot, svc *corev1.Service, list []target) (role, bool) {
	for _, t := range list {
		slips, _ := compare(svc.Spec.Selector, t.labels)
		if len(slips) != 1 || len(svc.Spec.Selector) == 1 {
			continue
		}
		asked := slips[0]
		if _, inTemplate := t.labels[asked.key]; inTemplate {
			continue
		}
		for _, pod := range s.PodsOf(t.object) {
			if have, ok := pod.Labels[asked.key]; ok && live(pod) {
				return role{
					of: t.ref, asked: asked.key + "=" + asked.value, standby: !leaderWords.MatchString(asked.value),
					evidence: analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "metadata.labels", Quote: asked.key + "=" + have},
				}, true
			}
		}
	}
	return role{}, false
}

// elsewhere finds a workload in another namespace that carries all labels of the
// selector and has no Service of its own there. Only pods of its own namespace stand
// behind a Service.
func elsewhere(s *cluster.Snapshot, svc *corev1.Service) (target, bool) {
	var found []target
	seen := map[string]bool{svc.Namespace: true}
	for pod := range cluster.All[*corev1.Pod](s) {
		if seen[pod.Namespace] || !live(pod) || !matches(svc.Spec.Selector, pod.Labels) {
			continue
		}
		seen[pod.Namespace] = true
		served := slices.ContainsFunc(slices.Collect(cluster.In[*corev1.Service](s, pod.Namespace)), func(o *corev1.Service) bool {
			return matches(o.Spec.Selector, pod.Labels)
		})
		for _, t := range targets(s, pod.Namespace) {
			if !served && t.wants > 0 && matches(svc.Spec.Selector, t.labels) {
				found = append(found, t)
				break
			}
		}
	}
	if len(found) != 1 {
		return target{}, false // many namespaces with the same labels: none of them was meant
	}
	return found[0], true
}

// exposeThere proposes the same Service beside the pods.
func exposeThere(p *analyzers.Pass, svc *corev1.Service, t target) []analyzers.Fix {
	if len(svc.Spec.Ports) != 1 {
		return []analyzers.Fix{{
			Why:  fmt.Sprintf("Show the Service, to recreate it in namespace %s, where the pods are", t.ref.Namespace),
			Argv: p.Kubectl(svc.Namespace, "get", "service", svc.Name, "-o", "yaml"),
		}}
	}
	port := svc.Spec.Ports[0]
	argv := []string{"expose", t.ref.Short(), "--name", svc.Name, "--port", strconv.Itoa(int(port.Port))}
	if to := port.TargetPort.String(); to != "" && to != "0" {
		argv = append(argv, "--target-port", to)
	}
	return []analyzers.Fix{{
		Why:  fmt.Sprintf("Create the Service in namespace %s, where the pods are", t.ref.Namespace),
		Argv: p.Kubectl(t.ref.Namespace, argv...),
	}}
}

// usedBy names an Ingress, or a workload of the same namespace by its environment or
// arguments, that sends something to the Service.
func usedBy(s *cluster.Snapshot, svc *corev1.Service, list []target) (analyzers.Evidence, bool) {
	for in := range cluster.In[*networkingv1.Ingress](s, svc.Namespace) {
		if slices.Contains(cluster.Backends(in), svc.Name) {
			return analyzers.Evidence{Source: cluster.RefOf(in).String(), Path: "spec.rules", Quote: svc.Name}, true
		}
	}
	host := regexp.MustCompile(`(^|//|@|,)` + regexp.QuoteMeta(svc.Name) + `(\.` + regexp.QuoteMeta(svc.Namespace) + `(\.svc\S*)?)?(:\d+|/|$)`)
	for _, t := range list {
		for _, c := range cluster.Containers(&t.template.Spec) {
			for _, e := range c.Env {
				if addressName.MatchString(e.Name) && host.MatchString(e.Value) {
					return analyzers.Evidence{Source: t.ref.String(), Path: "env " + e.Name + " of container " + c.Name, Quote: e.Value}, true
				}
			}
			for _, a := range slices.Concat(c.Command, c.Args) {
				if _, v, ok := strings.Cut(a, "="); ok && strings.Contains(v, ":") && host.MatchString(v) {
					return analyzers.Evidence{Source: t.ref.String(), Path: "args of container " + c.Name, Quote: a}, true
				}
			}
		}
	}
	return analyzers.Evidence{}, false
}

// addressName are names of variables that hold an address: SERVICE_NAME=orders is none.
var addressName = regexp.MustCompile(`(?i)(url|uri|host|addr|address|endpoint|server|dsn|upstream|broker|brokers)s?$`)
