package dns

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A server is one pod that answers DNS queries.
type server struct {
	pod     *corev1.Pod
	subject analyzers.Ref
	local   bool // NodeLocal DNSCache: it serves its node
	shared  bool // it belongs to the cluster's DNS and is reported whatever the scope
}

// systemLabels are those of the cluster's DNS pods in kube-system.
var systemLabels = []string{"kube-dns", "coredns", "node-local-dns"}

// servers are the DNS pods of the cluster, and those in scope that run a DNS server of the
// usual kinds for themselves.
func servers(p *analyzers.Pass) []server {
	return cluster.Derive(p.Snapshot, "dns.servers", func() []server {
		var out []server
		seen := map[*corev1.Pod]bool{}
		add := func(pod *corev1.Pod, shared bool) {
			if seen[pod] || pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
				return
			}
			seen[pod] = true
			out = append(out, server{pod, p.Root(pod), pod.Labels["k8s-app"] == "node-local-dns", shared})
		}
		for _, svc := range p.NameServices() {
			for _, pod := range p.PodsWith(svc.Namespace, svc.Spec.Selector) {
				add(pod, true)
			}
		}
		for _, v := range systemLabels {
			for _, pod := range p.PodsWith("kube-system", map[string]string{"k8s-app": v}) {
				add(pod, true)
			}
		}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if cluster.NameServer(pod) {
				add(pod, false)
			}
		}
		slices.SortStableFunc(out, func(a, b server) int { return analyzers.CompareRefs(cluster.RefOf(a.pod), cluster.RefOf(b.pod)) })
		return out
	})
}

// who is how a summary calls the server.
func (s server) who() string {
	switch {
	case s.local:
		return "NodeLocal DNSCache"
	case s.shared:
		return "CoreDNS"
	}
	return "Name server " + s.subject.Name
}

// crash is the container of the server that crashes, its end and its log.
func (s server) crash(p *analyzers.Pass) (status corev1.ContainerStatus, end *corev1.ContainerStateTerminated, log cluster.Log, ok bool) {
	for _, status := range s.pod.Status.ContainerStatuses {
		if !p.Crashing(s.pod, status) || p.EndExplained(s.pod, status) {
			continue
		}
		if _, _, probe := p.EndedByProbe(s.pod, status); probe {
			continue
		}
		if end, _ := cluster.End(status); end != nil {
			log, _ := p.LastLog(s.pod, status)
			return status, end, log, true
		}
	}
	return status, nil, cluster.Log{}, false
}

// said is a line of the server's log as evidence.
func (s server) said(log cluster.Log, line string) analyzers.Evidence {
	path := "current"
	if log.Previous {
		path = "previous"
	}
	return analyzers.Evidence{Source: "Log of Pod " + s.pod.Namespace + "/" + s.pod.Name + " container " + log.Container, Path: path, Quote: analyzers.QuoteHead(line)}
}

// serving reports whether another pod of the same workload takes queries.
func (s server) serving(p *analyzers.Pass) bool {
	workload := p.RootObject(s.pod)
	return workload != nil && slices.ContainsFunc(p.PodsOf(workload), cluster.PodReady)
}

// severity is that of a fault of the server: while another one serves, it is a risk.
func (s server) severity(p *analyzers.Pass) analyzers.Severity {
	if !s.local && s.serving(p) {
		return analyzers.Warning
	}
	return analyzers.Error
}
