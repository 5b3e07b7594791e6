package services

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ExternalName finds external names that DNS cannot answer with.
var ExternalName = &analyzers.Analyzer{
	Name: "services/external-name",
	Doc: `ExternalName Services with an address, a URL or a name that cannot resolve

The cluster's DNS answers with an alias (CNAME) to spec.externalName: it has to be a full
host name. The API server accepts digits and dots, so an IPv4 address gets through; a
scheme, port or path only shows in manifests.`,
	Needs: []schema.GroupKind{cluster.Services},
	Emits: []analyzers.Code{externalName},
	Run:   externalNames,
}

func externalNames(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if svc.Spec.Type != corev1.ServiceTypeExternalName || svc.DeletionTimestamp != nil {
			continue
		}
		name := svc.Spec.ExternalName
		f := analyzers.Finding{
			Code:     externalName,
			Subject:  cluster.RefOf(svc),
			Evidence: []analyzers.Evidence{{Source: cluster.RefOf(svc).String(), Path: "spec.externalName", Quote: "externalName: " + name}},
		}
		if judgeName(p, svc, strings.TrimSuffix(name, "."), &f) {
			p.Report(f)
		}
	}
	return nil
}

// inCluster takes the names of Services: name.namespace, with .svc and the usual domain
// or without.
var inCluster = regexp.MustCompile(`^([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(\.cluster\.local)?)?$`)

func judgeName(p *analyzers.Pass, svc *corev1.Service, name string, f *analyzers.Finding) bool {
	bare := strings.Trim(name, "[]")
	if _, err := netip.ParseAddr(bare); err == nil {
		f.Summary = fmt.Sprintf("ExternalName %s is an address, but DNS can only answer with a host name", name)
		f.Fixes = addressFixes(p, svc)
		return true
	}
	if host := hostOf(name); host != name {
		f.Summary = fmt.Sprintf("ExternalName %s is not a host name: it has a scheme, port or path", name)
		f.Fixes = []analyzers.Fix{rename(p, svc, host)}
		return true
	}
	m := inCluster.FindStringSubmatch(name)
	if m == nil {
		return noDomain(p, svc, name, f)
	}
	target, exists := cluster.Find[*corev1.Service](p.Snapshot, m[2], m[1])
	switch {
	case m[4] == "" && exists:
		full := m[1] + "." + m[2] + ".svc.cluster.local"
		f.Summary = fmt.Sprintf("ExternalName %s is not a full name: DNS does not complete it to %s", name, full)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(target).String(), Path: "metadata.name", Quote: m[1]})
		f.Fixes = []analyzers.Fix{rename(p, svc, full)}
		return true
	case m[3] == "":
		return false // a domain such as example.com
	case m[1] == svc.Name && m[2] == svc.Namespace:
		f.Summary = fmt.Sprintf("ExternalName %s is the Service itself", name)
	case !exists && (p.Sees(cluster.Services, m[2]) || p.Sees(cluster.Namespaces, "") && !p.HasNamespace(m[2])):
		f.Summary = fmt.Sprintf("ExternalName %s names Service %s/%s, which does not exist", name, m[2], m[1])
		f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Service", Namespace: m[2], Name: m[1]}}
		f.Shared = fmt.Sprintf("Service %s/%s does not exist", m[2], m[1])
		if near, ok := nearService(p, m[2], m[1]); ok {
			f.Summary += fmt.Sprintf("; %s was probably meant", near)
			f.Fixes = []analyzers.Fix{rename(p, svc, near+"."+m[2]+".svc.cluster.local")}
			return true
		}
	default:
		return ports(p, svc, f)
	}
	f.Fixes = []analyzers.Fix{edit(p, svc, "Set externalName to a host name that exists")}
	return true
}

// nearService is a Service of a namespace whose name is near.
func nearService(p *analyzers.Pass, namespace, name string) (string, bool) {
	var list []string
	for svc := range cluster.In[*corev1.Service](p.Snapshot, namespace) {
		list = append(list, svc.Name)
	}
	return analyzers.Nearest(name, list)
}

// noDomain judges a name that is none of a Service. A single word is no full name; in
// the namespace of the Service it may be meant as that of another Service.
func noDomain(p *analyzers.Pass, svc *corev1.Service, name string, f *analyzers.Finding) bool {
	if strings.Contains(name, ".") || name == "localhost" {
		return ports(p, svc, f)
	}
	if target, ok := cluster.Find[*corev1.Service](p.Snapshot, svc.Namespace, name); ok && name != svc.Name {
		full := name + "." + svc.Namespace + ".svc.cluster.local"
		f.Summary = fmt.Sprintf("ExternalName %s is not a full name: DNS does not complete it to %s", name, full)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(target).String(), Path: "metadata.name", Quote: name})
		f.Fixes = []analyzers.Fix{rename(p, svc, full)}
		return true
	}
	// A name server of the company may know single words: not an error.
	f.Severity = analyzers.Warning
	f.Summary = fmt.Sprintf("ExternalName %q has no domain, and DNS does not complete the target of an alias", name)
	f.Fixes = []analyzers.Fix{edit(p, svc, "Set externalName to the full host name")}
	return true
}

// ports reports a port that is to be translated: an alias translates none.
func ports(p *analyzers.Pass, svc *corev1.Service, f *analyzers.Finding) bool {
	for i, port := range svc.Spec.Ports {
		if n := portNumber(port); port.TargetPort.StrVal == "" && n != int(port.Port) {
			f.Severity = analyzers.Warning
			f.Summary = fmt.Sprintf("Port %d is not translated to %d: an ExternalName is an alias in DNS, and clients connect to the port they ask for", port.Port, n)
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].targetPort", i), Quote: fmt.Sprint(n)})
			f.Fixes = []analyzers.Fix{edit(p, svc, "Set port to the port of the external host")}
			return true
		}
	}
	return false
}

// hostOf takes the host out of what may be a URL or host:port.
func hostOf(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	name, _, _ = strings.Cut(name, "/")
	name, _, _ = strings.Cut(name, ":")
	return name
}

func rename(p *analyzers.Pass, svc *corev1.Service, host string) analyzers.Fix {
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"externalName": host}})
	return analyzers.Fix{
		Why:   "Set externalName to the full host name",
		Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data},
	}
}

// addressFixes leads to a name for the address, or to a Service without a selector,
// whose EndpointSlice holds it. That one needs ports.
func addressFixes(p *analyzers.Pass, svc *corev1.Service) []analyzers.Fix {
	out := []analyzers.Fix{edit(p, svc, "Set externalName to a host name that resolves to the address")}
	if len(svc.Spec.Ports) > 0 {
		out = append(out, analyzers.Fix{
			Why:  "Make it a Service without a selector, then add an EndpointSlice with the address",
			Argv: p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "merge", "-p", `{"spec":{"type":"ClusterIP","externalName":null}}`),
		})
	}
	return out
}

func edit(p *analyzers.Pass, svc *corev1.Service, what string) analyzers.Fix {
	return analyzers.Fix{Why: what, Argv: p.Kubectl(svc.Namespace, "edit", "service", svc.Name)}
}
