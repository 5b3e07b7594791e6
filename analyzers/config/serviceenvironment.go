package config

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ServiceEnvironment reports crash loops in which the program chokes on the address of a
// Service of its namespace: the kubelet sets CACHE_PORT=tcp://10.0.0.1:6379 for a Service
// named cache, where the program expects a number of its own.
var ServiceEnvironment = &analyzers.Analyzer{
	Name:  "config/service-environment",
	Doc:   "programs that choke on an environment variable of a Service",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Services},
	Emits: []analyzers.Code{serviceEnv},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			for _, status := range cluster.ContainerStatuses(pod) {
				if p.ContainerFault(pod, status) == cluster.CrashFault {
					reportServiceEnvironment(p, pod, status)
				}
			}
		}
		return nil
	},
}

func reportServiceEnvironment(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) {
	link, ok := p.MisreadLink(pod, status)
	if !ok {
		return
	}
	root := p.Root(pod)
	source := cluster.RefOf(pod).String()
	f := analyzers.Finding{
		Code: serviceEnv, Subject: root, Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary: sentence("Container "+status.Name+" cannot use "+link.Variable+"="+link.Value, ", which Kubernetes sets for Service "+link.Service.Name),
		Evidence: []analyzers.Evidence{
			{Source: "Log of " + source + " container " + status.Name, Path: "log", Quote: analyzers.Quote(link.Line)},
			{Source: cluster.RefOf(link.Service).String(), Path: "spec.clusterIP", Quote: "clusterIP: " + link.Service.Spec.ClusterIP},
		},
	}
	if spec, _, ok := cluster.Container(&pod.Spec, status.Name); ok {
		if at, text := mentions(spec, link.Variable); at != "" {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: source, Path: "spec.containers[" + status.Name + "]." + at, Quote: analyzers.Quote(text)})
		}
	}
	if patchable[root.Kind] {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Turn off the variables that Kubernetes sets for Services; their DNS names work as before",
			Argv: p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", `{"spec":{"template":{"spec":{"enableServiceLinks":false}}}}`),
		}, analyzers.Fix{
			Why:  "Set the variable in the container, which wins over the Service's",
			Argv: p.Kubectl(root.Namespace, "set", "env", root.Short(), "-c", status.Name, link.Variable+"=<value>"),
		})
	}
	p.Report(f)
}

// mentions is where the container's spec itself uses the variable.
func mentions(c *corev1.Container, variable string) (path, text string) {
	use := "$(" + variable + ")"
	for _, words := range []struct {
		path string
		list []string
	}{{"command", c.Command}, {"args", c.Args}} {
		for _, w := range words.list {
			if strings.Contains(w, use) {
				return words.path, w
			}
		}
	}
	for _, e := range c.Env {
		if strings.Contains(e.Value, use) {
			return "env[" + e.Name + "]", e.Value
		}
	}
	return "", ""
}
