package services

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// WrongPort finds Services that send traffic to a port that their pods do not have.
var WrongPort = &analyzers.Analyzer{
	Name: "services/wrong-port",
	Doc: `Services whose targetPort is none that their pods have

A named targetPort that no selected pod declares, with the Service's protocol, leads
nowhere: the EndpointSlice then lists ready pods without that port. A number needs more:
declared container ports only inform, and a program may listen on others (see
portnumber.go for what counts as proof).`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{portMismatch},
	Run:   wrongPort,
}

func wrongPort(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName || svc.DeletionTimestamp != nil {
			continue
		}
		pods := selected(p.Snapshot, svc)
		if len(pods) == 0 {
			continue
		}
		for i, port := range svc.Spec.Ports {
			switch {
			case port.TargetPort.Type == intstr.String:
				namedPort(p, svc, i, pods)
			case !headless(svc): // clients of a headless Service choose the port themselves
				numberedPort(p, svc, i, pods)
			}
		}
	}
	return nil
}

// namedPort judges a named targetPort as the EndpointSlice controller resolves it
// (k8s.io/endpointslice utils.go, FindPort): by name and protocol, in the containers and
// native sidecars of each pod.
func namedPort(p *analyzers.Pass, svc *corev1.Service, i int, pods []*corev1.Pod) {
	port := svc.Spec.Ports[i]
	name, proto := port.TargetPort.StrVal, protocol(port.Protocol)
	var declared []corev1.ContainerPort
	var where *corev1.Pod
	for _, pod := range pods {
		for _, c := range serving(&pod.Spec) {
			for _, have := range c.Ports {
				if have.Name == name && protocol(have.Protocol) == proto {
					// While some pods have it, as in a rollout that renames it, those
					// serve.
					return
				}
				if where == nil || have.Name == name {
					where = pod
				}
				declared = append(declared, have)
			}
		}
	}
	f := analyzers.Finding{
		Code:    portMismatch,
		Subject: cluster.RefOf(svc),
		Part:    part(svc, i),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].targetPort", i), Quote: "targetPort: " + name},
		},
	}
	if headless(svc) {
		f.Severity = analyzers.Warning // its name resolves to the pods all the same; only port names are missing
	}
	if where == nil {
		f.Summary = fmt.Sprintf("Target port %q of port %d does not exist: the pods of %s declare no ports", name, port.Port, workloads(p, pods))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pods[0]).String(), Path: "spec.containers[*].ports", Quote: "ports: none"})
		f.Fixes = []analyzers.Fix{probedFix(p, svc, i, pods[0])}
		p.Report(f)
		return
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(where).String(), Path: "spec.containers[*].ports", Quote: "ports: " + portList(declared)})
	if other := slices.IndexFunc(declared, func(d corev1.ContainerPort) bool { return d.Name == name }); other >= 0 {
		have := protocol(declared[other].Protocol)
		f.Summary = fmt.Sprintf("Port %d is %s, but the pods of %s declare port %q as %s", port.Port, proto, workloads(p, pods), name, have)
		f.Fixes = []analyzers.Fix{portFix(p, svc, i, "protocol", string(have), fmt.Sprintf("Make the Service's port %s, as the pods have it", have))}
		p.Report(f)
		return
	}
	f.Summary = fmt.Sprintf("Target port %q of port %d does not exist: the pods of %s declare %s", name, port.Port, workloads(p, pods), portList(declared))
	if to, ok := meantPort(name, proto, declared); ok {
		f.Fixes = []analyzers.Fix{portFix(p, svc, i, "targetPort", to, fmt.Sprintf("Send the traffic to port %v of the pods", to))}
	} else {
		f.Fixes = []analyzers.Fix{{Why: "Set targetPort to a port that the pods declare", Argv: p.Kubectl(svc.Namespace, "edit", "service", svc.Name)}}
	}
	p.Report(f)
}

// meantPort is the declared port that a name was probably meant to be: a near one, or
// the only one.
func meantPort(name string, proto corev1.Protocol, declared []corev1.ContainerPort) (any, bool) {
	var names []string
	numbers := map[int32]string{}
	for _, d := range declared {
		if protocol(d.Protocol) != proto {
			continue
		}
		numbers[d.ContainerPort] = d.Name
		if d.Name != "" && !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	if to, ok := analyzers.Nearest(name, names); ok {
		return to, true
	}
	if len(numbers) != 1 {
		return nil, false
	}
	for n, named := range numbers {
		if named != "" {
			return named, true
		}
		return n, true
	}
	return nil, false
}

// probedFix sends the traffic to the port that a probe of the pod asks.
func probedFix(p *analyzers.Pass, svc *corev1.Service, i int, pod *corev1.Pod) analyzers.Fix {
	for _, c := range serving(&pod.Spec) {
		for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
			if n := probePort(&c, probe); n > 0 {
				return portFix(p, svc, i, "targetPort", n, fmt.Sprintf("Send the traffic to port %d, which a probe of the pods asks", n))
			}
		}
	}
	return analyzers.Fix{
		Why:  "Set targetPort to the number of the port that the program listens on",
		Argv: p.Kubectl(svc.Namespace, "edit", "service", svc.Name),
	}
}

// portFix changes one field of one port. A strategic merge patch finds the entry by its
// port number, which need not be unique: then only a JSON patch is exact, and it is not
// tried on a copy.
func portFix(p *analyzers.Pass, svc *corev1.Service, i int, field string, value any, why string) analyzers.Fix {
	port := svc.Spec.Ports[i].Port
	same := slices.DeleteFunc(slices.Clone(svc.Spec.Ports), func(o corev1.ServicePort) bool { return o.Port != port })
	if len(same) > 1 {
		data, _ := json.Marshal([]map[string]any{{"op": "replace", "path": fmt.Sprintf("/spec/ports/%d/%s", i, field), "value": value}})
		return analyzers.Fix{Why: why, Argv: p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "json", "-p", string(data))}
	}
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"ports": []map[string]any{{"port": port, field: value}}}})
	return analyzers.Fix{
		Why:   why,
		Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data},
	}
}

func portList(ports []corev1.ContainerPort) string {
	var words []string
	for _, d := range ports {
		w := fmt.Sprintf("%d/%s", d.ContainerPort, protocol(d.Protocol))
		if d.Name != "" {
			w = d.Name + "=" + w
		}
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if len(words) > 4 {
		words = append(words[:4], "…")
	}
	return strings.Join(words, ", ")
}

// part names a port of a Service that has several.
func part(svc *corev1.Service, i int) string {
	if len(svc.Spec.Ports) < 2 {
		return ""
	}
	if name := svc.Spec.Ports[i].Name; name != "" {
		return name
	}
	return fmt.Sprint(svc.Spec.Ports[i].Port)
}

// workloads names what stands behind pods of the Service's own namespace.
func workloads(p *analyzers.Pass, pods []*corev1.Pod) string {
	list := roots(p.Snapshot, pods)
	name := list[0].Kind + " " + list[0].Name
	if len(list) > 1 {
		name += fmt.Sprintf(" and %d more", len(list)-1)
	}
	return name
}
