package dns

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A detour is why a pod does not ask the cluster's DNS, and the settings that would make it.
type detour struct {
	why    string // ends a sentence: "it runs in the host's network with dnsPolicy ClusterFirst"
	path   string
	quote  string
	policy corev1.DNSPolicy // the right one, empty if the policy is right
}

// detourOf tells how a pod spec bypasses the cluster's DNS; ok is false when it does not
// (k8s.io/kubernetes pkg/kubelet/network/dns/dns.go, getPodDNSType).
func detourOf(s *cluster.Snapshot, spec *corev1.PodSpec) (detour, bool) {
	switch policy := spec.DNSPolicy; {
	case policy == corev1.DNSNone:
		return ownServers(s, spec)
	case policy == corev1.DNSDefault && spec.HostNetwork:
		return detour{"dnsPolicy Default gives it the node's resolver", "spec.dnsPolicy", "dnsPolicy: Default", corev1.DNSClusterFirstWithHostNet}, true
	case policy == corev1.DNSDefault:
		return detour{"dnsPolicy Default gives it the node's resolver", "spec.dnsPolicy", "dnsPolicy: Default", corev1.DNSClusterFirst}, true
	case spec.HostNetwork && policy != corev1.DNSClusterFirstWithHostNet:
		return detour{"in the host's network dnsPolicy ClusterFirst means the node's resolver", "spec.hostNetwork", "hostNetwork: true, dnsPolicy: ClusterFirst", corev1.DNSClusterFirstWithHostNet}, true
	}
	return detour{}, false
}

// ownServers is about dnsPolicy None: the name servers must be the cluster's. Addresses
// that only mean something on the node (NodeLocal DNSCache) and those of pods may be.
func ownServers(s *cluster.Snapshot, spec *corev1.PodSpec) (detour, bool) {
	services := s.NameServices()
	if spec.DNSConfig == nil || len(spec.DNSConfig.Nameservers) == 0 || len(services) == 0 {
		return detour{}, false
	}
	var right []string
	for _, svc := range services {
		right = append(append(right, svc.Spec.ClusterIP), svc.Spec.ClusterIPs...)
	}
	for _, server := range spec.DNSConfig.Nameservers {
		ip, err := netip.ParseAddr(server)
		if err != nil || slices.Contains(right, server) || ip.IsLinkLocalUnicast() || ip.IsLoopback() {
			return detour{}, false
		}
		if d := s.Dependency("", cluster.Address{Host: ip.String()}); d.Service != nil || d.Pod != nil {
			return detour{}, false // a DNS server of the user's own
		}
	}
	list := strings.Join(spec.DNSConfig.Nameservers, ", ")
	return detour{
		why:  fmt.Sprintf("dnsPolicy None lets it ask %s, and the cluster's DNS is %s", list, right[0]),
		path: "spec.dnsConfig.nameservers", quote: "nameservers: " + list,
		policy: corev1.DNSClusterFirst,
	}, true
}

func (d detour) evidence(subject analyzers.Ref) analyzers.Evidence {
	path := d.path
	if subject.Kind != "Pod" {
		path = strings.Replace(path, "spec.", "spec.template.spec.", 1)
	}
	return analyzers.Evidence{Source: subject.String(), Path: path, Quote: d.quote}
}

// fixes set the policy of a workload.
func (d detour) fixes(p *analyzers.Pass, subject analyzers.Ref) []analyzers.Fix {
	why := fmt.Sprintf("Let its pods ask the cluster's DNS, with dnsPolicy %s", d.policy)
	if !cluster.RollsOut(subject) {
		return []analyzers.Fix{{Why: why, Argv: p.Kubectl(subject.Namespace, "get", subject.Short(), "-o", "yaml")}}
	}
	spec := map[string]any{"dnsPolicy": d.policy}
	if d.policy == corev1.DNSClusterFirst {
		spec["dnsConfig"] = nil
	}
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}})
	return []analyzers.Fix{{
		Why: why, Argv: p.Kubectl(subject.Namespace, "patch", subject.Short(), "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: subject, Data: data},
	}}
}
