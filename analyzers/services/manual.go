package services

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ManualEndpoints finds Services without a selector whose endpoints, kept by hand, are
// missing or do not fit.
var ManualEndpoints = &analyzers.Analyzer{
	Name: "services/manual-endpoints",
	Doc: `Services without a selector that have no fitting endpoints

Such a Service leads where EndpointSlices with its name in the label
kubernetes.io/service-name lead, for ports of the same name. Endpoints objects are copied
into such slices by Kubernetes. At most a warning: the Service may be a name only, as the
front of a mesh route.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.EndpointSlices},
	Emits: []analyzers.Code{noEndpoints},
	Run:   manualEndpoints,
}

func manualEndpoints(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) > 0 || svc.Spec.Type == corev1.ServiceTypeExternalName || svc.DeletionTimestamp != nil {
			continue
		}
		// The API servers keep the endpoints of default/kubernetes themselves, and the
		// operator that made a Service keeps its own.
		if svc.Namespace == "default" && svc.Name == "kubernetes" || operated(p.Snapshot, svc) || remoteBackends(svc) {
			continue
		}
		if p.Since(svc.CreationTimestamp.Time) < applyTime && !svc.CreationTimestamp.IsZero() || !p.Sees(cluster.EndpointSlices, svc.Namespace) {
			continue
		}
		judgeManual(p, svc)
	}
	return nil
}

func judgeManual(p *analyzers.Pass, svc *corev1.Service) {
	var own, unlabelled []*discoveryv1.EndpointSlice
	for slice := range cluster.In[*discoveryv1.EndpointSlice](p.Snapshot, svc.Namespace) {
		switch of := slice.Labels[discoveryv1.LabelServiceName]; {
		case of == svc.Name:
			own = append(own, slice)
		case of == "" && (slice.Name == svc.Name || strings.HasPrefix(slice.Name, svc.Name+"-")):
			unlabelled = append(unlabelled, slice)
		}
	}
	f := analyzers.Finding{
		Code:     noEndpoints,
		Severity: analyzers.Warning,
		Subject:  cluster.RefOf(svc),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: none"}},
	}
	see := func(slice *discoveryv1.EndpointSlice, path, quote string) {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(slice).String(), Path: path, Quote: quote})
	}
	switch {
	case len(own) == 0 && len(unlabelled) > 0:
		f.Summary = fmt.Sprintf("Service has no selector and no endpoints: EndpointSlice %s lacks the label %s=%s", unlabelled[0].Name, discoveryv1.LabelServiceName, svc.Name)
		see(unlabelled[0], "metadata.labels", discoveryv1.LabelServiceName+" is missing")
		f.Fixes = []analyzers.Fix{labelSlice(p, svc, unlabelled[0])}
	case len(own) == 0:
		f.Summary = fmt.Sprintf("Service has no selector, and no EndpointSlice is labelled %s=%s", discoveryv1.LabelServiceName, svc.Name)
		f.Fixes = []analyzers.Fix{{Why: "Give the Service a selector, if pods stand behind it", Argv: p.Kubectl(svc.Namespace, "edit", "service", svc.Name)}}
	case !slices.ContainsFunc(own, usable):
		f.Summary = fmt.Sprintf("Service has no selector, and EndpointSlice %s holds no ready address", own[0].Name)
		see(own[0], "endpoints", fmt.Sprintf("endpoints: %d, none ready", len(own[0].Endpoints)))
		f.Fixes = []analyzers.Fix{editSlice(p, own[0], "Add the addresses to the EndpointSlice")}
	default:
		if !misfit(p, svc, own, &f, see) {
			return
		}
	}
	p.Report(f)
}

// misfit finds a port that no slice serves under the Service's name for it, or an
// address that cannot be an endpoint. kube-proxy joins ports by name and protocol
// (k8s.io/kubernetes pkg/proxy/endpointslicecache.go, ServicePortName); for a headless
// Service DNS gives the addresses whatever the ports.
func misfit(p *analyzers.Pass, svc *corev1.Service, own []*discoveryv1.EndpointSlice, f *analyzers.Finding, see func(*discoveryv1.EndpointSlice, string, string)) bool {
	for i, port := range svc.Spec.Ports {
		if headless(svc) || slices.ContainsFunc(own, func(s *discoveryv1.EndpointSlice) bool { return usable(s) && slicePort(s, port) >= 0 }) {
			continue
		}
		var have []string
		for _, sp := range own[0].Ports {
			have = append(have, portName(sp))
		}
		names := "no port"
		if len(have) > 0 {
			names = "port " + strings.Join(have, ", ")
		}
		f.Part = part(svc, i)
		f.Summary = fmt.Sprintf("Port %s of the Service has no endpoints: EndpointSlice %s has %s", display(port), own[0].Name, names)
		see(own[0], "ports[*].name", strings.Join(have, ", "))
		f.Fixes = []analyzers.Fix{editSlice(p, own[0], fmt.Sprintf("Name the EndpointSlice's port %q, as in the Service", port.Name))}
		return true
	}
	for _, slice := range own {
		for _, e := range slice.Endpoints {
			for _, a := range e.Addresses {
				if why := impossible(p, a); why != "" {
					f.Summary = fmt.Sprintf("EndpointSlice %s sends to %s, which is %s", slice.Name, a, why)
					see(slice, "endpoints[*].addresses", a)
					f.Fixes = []analyzers.Fix{editSlice(p, slice, "Set the address of the program itself in the EndpointSlice")}
					return true
				}
			}
		}
	}
	return false
}

// impossible says why an address cannot be an endpoint: a Service's own address is
// translated only once, and loopback is each node's own.
func impossible(p *analyzers.Pass, address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return "an address of the node itself"
	}
	for other := range cluster.All[*corev1.Service](p.Snapshot) {
		if slices.Contains(other.Spec.ClusterIPs, address) || other.Spec.ClusterIP == address {
			return "the cluster IP of " + cluster.RefOf(other).String()
		}
	}
	return ""
}

func usable(slice *discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
		return len(e.Addresses) > 0 && (e.Conditions.Ready == nil || *e.Conditions.Ready)
	})
}

func slicePort(slice *discoveryv1.EndpointSlice, port corev1.ServicePort) int {
	return slices.IndexFunc(slice.Ports, func(sp discoveryv1.EndpointPort) bool {
		proto := corev1.ProtocolTCP
		if sp.Protocol != nil {
			proto = *sp.Protocol
		}
		return sp.Port != nil && proto == protocol(port.Protocol) && (sp.Name == nil && port.Name == "" || sp.Name != nil && *sp.Name == port.Name)
	})
}

func portName(sp discoveryv1.EndpointPort) string {
	name, number := "", ""
	if sp.Name != nil {
		name = *sp.Name
	}
	if sp.Port != nil {
		number = fmt.Sprint(*sp.Port)
	}
	return fmt.Sprintf("%q (%s)", name, number)
}

func display(port corev1.ServicePort) string {
	if port.Name == "" {
		return fmt.Sprint(port.Port)
	}
	return fmt.Sprintf("%q", port.Name)
}

func labelSlice(p *analyzers.Pass, svc *corev1.Service, slice *discoveryv1.EndpointSlice) analyzers.Fix {
	data, _ := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{discoveryv1.LabelServiceName: svc.Name}}})
	return analyzers.Fix{
		Why:   "Tell Kubernetes that the EndpointSlice belongs to the Service",
		Argv:  p.Kubectl(svc.Namespace, "label", "endpointslice", slice.Name, discoveryv1.LabelServiceName+"="+svc.Name),
		Patch: &analyzers.Patch{Target: cluster.RefOf(slice), Data: data},
	}
}

func editSlice(p *analyzers.Pass, slice *discoveryv1.EndpointSlice, what string) analyzers.Fix {
	return analyzers.Fix{Why: what, Argv: p.Kubectl(slice.Namespace, "edit", "endpointslice", slice.Name)}
}
