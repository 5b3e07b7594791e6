package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// NameServer reports whether a pod runs a DNS server of the usual kinds: CoreDNS, kube-dns
// or NodeLocal DNSCache. The labels are those of their manifests (k8s.io/kubernetes
// cluster/addons/dns), of CoreDNS's Helm chart and of OpenShift's DNS operator.
func NameServer(pod *corev1.Pod) bool {
	switch pod.Labels["k8s-app"] {
	case "kube-dns", "coredns", "node-local-dns":
		return true
	}
	name := pod.Labels["app.kubernetes.io/name"]
	return name == "coredns" || name == "node-local-dns" || pod.Labels["dns.operator.openshift.io/daemonset-dns"] != ""
}

// NameServices returns the Services at which pods ask the cluster's DNS. There may be
// none: some clusters answer on each node, outside of Kubernetes.
func (s *Snapshot) NameServices() []*corev1.Service {
	var out []*corev1.Service
	for svc := range In[*corev1.Service](s, "kube-system") {
		named := svc.Name == "kube-dns" || svc.Name == "coredns" || svc.Labels["k8s-app"] == "kube-dns"
		// NodeLocal DNSCache asks the cluster's DNS by a Service of its own.
		if named && !strings.HasSuffix(svc.Name, "-upstream") && svc.Spec.ClusterIP != corev1.ClusterIPNone && HasPort(svc, 53) {
			out = append(out, svc)
		}
	}
	if svc, ok := Find[*corev1.Service](s, "openshift-dns", "dns-default"); ok {
		out = append(out, svc)
	}
	slices.SortStableFunc(out, func(a, b *corev1.Service) int {
		first := func(svc *corev1.Service) int {
			if svc.Name == "kube-dns" {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	return out
}

// NamesDown returns the Service of the cluster's DNS when it has servers, as far as the
// Snapshot shows them, and none of them takes queries. A Service behind which nothing can
// be seen is not down: its servers may be the provider's.
func (s *Snapshot) NamesDown() (*corev1.Service, bool) {
	services := s.NameServices()
	for _, svc := range services {
		if ready, _, known := s.Serving(svc); !known || ready > 0 || !s.visible(svc) {
			return nil, false
		}
	}
	if len(services) == 0 {
		return nil, false
	}
	return services[0], true
}

// visible reports whether pods of a Service are there to be judged.
func (s *Snapshot) visible(svc *corev1.Service) bool {
	return len(s.PodsWith(svc.Namespace, svc.Spec.Selector)) > 0
}
