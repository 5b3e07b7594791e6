package dns

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Dangling finds settings with the name of a Service that is not there, or that a pod
// cannot resolve.
var Dangling = &analyzers.Analyzer{
	Name: "dns/dangling",
	Doc: `settings that name a Service that does not exist, or a port that it has not

A note and no fault: many a program names a collector or a mailer that is not installed,
and does without. Names without ".svc" are left alone, as they may be hosts elsewhere, and
so are templates and namespaces that were not read.`,
	Needs: []schema.GroupKind{cluster.Deployments, cluster.StatefulSets, cluster.DaemonSets, cluster.CronJobs, cluster.Services, cluster.ConfigMaps},
	Emits: []analyzers.Code{dangling},
	Run: func(p *analyzers.Pass) error {
		eachTemplate(p.Snapshot, func(o cluster.Object, spec *corev1.PodSpec) {
			subject := cluster.RefOf(o)
			_, around := detourOf(p.Snapshot, spec)
			for i := range spec.Containers {
				for _, x := range settings(p.Snapshot, subject, spec, &spec.Containers[i]) {
					if len(x.value) > maxSetting {
						continue
					}
					for _, m := range serviceHost.FindAllStringSubmatch(x.value, -1) {
						reportDangling(p, subject, spec.Containers[i].Name, x, m, around)
					}
				}
			}
		})
		return nil
	},
}

// maxSetting is the length of a setting; what is longer is a file, with examples and
// comments.
const maxSetting = 512

// serviceHost is a Service's name that says of itself that it is one. What stands before
// it may be a pod's name, or a template.
var serviceHost = regexp.MustCompile(`(?:^|[^A-Za-z0-9_.{}$()-])([a-z]([a-z0-9-]*[a-z0-9])?)\.([a-z0-9]([a-z0-9-]*[a-z0-9])?)\.svc(\.cluster\.local)?\.?(?::(\d{1,5}))?(?:$|[^A-Za-z0-9_.{}$()-])`)

func reportDangling(p *analyzers.Pass, subject analyzers.Ref, container string, x setting, m []string, around bool) {
	name, namespace, port := m[1], m[3], m[6]
	host := name + "." + namespace + ".svc"
	f := analyzers.Finding{
		Code: dangling, Subject: subject, Part: container + " " + host,
		Evidence: []analyzers.Evidence{x.evidence(host + m[5])},
		Fixes:    []analyzers.Fix{{Why: "List the Services that exist", Argv: p.Kubectl("", "get", "services", "--all-namespaces")}},
	}
	svc, ok := cluster.Find[*corev1.Service](p.Snapshot, namespace, name)
	switch {
	case ok && around:
		// Some nodes' resolvers know the cluster's domain: then its pods are ready.
		o, _ := p.Get(subject)
		if slices.ContainsFunc(p.PodsOf(o), cluster.PodReady) {
			return
		}
		d, _ := detourOf(p.Snapshot, templateSpec(p.Snapshot, subject))
		f.Severity = analyzers.Warning
		f.Part = container + " policy"
		f.Summary = fmt.Sprintf("Container %s is given %s and cannot resolve it: %s", container, host, d.why)
		f.Evidence = append(f.Evidence, d.evidence(subject))
		f.Fixes = d.fixes(p, subject)
	case ok && port != "" && !hasPort(svc, port):
		f.Summary = fmt.Sprintf("Container %s is given %s:%s, and the Service has only %s", container, host, port, ports(svc))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: "spec.ports", Quote: "port: " + ports(svc)})
	case !ok && p.Sees(cluster.Services, namespace):
		f.Summary = fmt.Sprintf("Container %s is given %s, and there is no such Service", container, host)
		if !namespaceExists(p.Snapshot, namespace) {
			f.Summary = fmt.Sprintf("Container %s is given %s, and there is no namespace %s", container, host, namespace)
		} else if near, ok := nearService(p.Snapshot, namespace, name); ok {
			f.Summary += ", only " + near
		}
	default:
		return
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	p.Report(f)
}

func nearService(s *cluster.Snapshot, namespace, name string) (string, bool) {
	var names []string
	for svc := range cluster.In[*corev1.Service](s, namespace) {
		names = append(names, svc.Name)
	}
	return analyzers.Nearest(name, names)
}

func hasPort(svc *corev1.Service, port string) bool {
	n := 0
	if _, err := fmt.Sscan(port, &n); err != nil {
		return true
	}
	return cluster.HasPort(svc, n)
}

func ports(svc *corev1.Service) string {
	var out []string
	for _, p := range svc.Spec.Ports {
		out = append(out, fmt.Sprint(p.Port))
	}
	return strings.Join(out, ", ")
}

// eachTemplate calls visit for the workloads in scope that a person writes and that are
// not scaled to zero.
func eachTemplate(s *cluster.Snapshot, visit func(cluster.Object, *corev1.PodSpec)) {
	list := func(o cluster.Object) {
		if n, scales := cluster.Replicas(o); scales && n == 0 && o.GetObjectKind().GroupVersionKind().Kind != "DaemonSet" || o.GetDeletionTimestamp() != nil {
			return
		}
		if t, ok := cluster.Template(o); ok {
			visit(o, &t.Spec)
		}
	}
	for o := range cluster.Scoped[*appsv1.Deployment](s) {
		list(o)
	}
	for o := range cluster.Scoped[*appsv1.StatefulSet](s) {
		list(o)
	}
	for o := range cluster.Scoped[*appsv1.DaemonSet](s) {
		list(o)
	}
	for o := range cluster.Scoped[*batchv1.CronJob](s) {
		list(o)
	}
}

func templateSpec(s *cluster.Snapshot, ref analyzers.Ref) *corev1.PodSpec {
	o, _ := s.Get(ref)
	if t, ok := cluster.Template(o); ok {
		return &t.Spec
	}
	return &corev1.PodSpec{}
}
