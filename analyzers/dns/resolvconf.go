package dns

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ResolvConf finds pods whose resolver settings the kubelet had to cut or make up.
var ResolvConf = &analyzers.Analyzer{
	Name: "dns/resolv-conf",
	Doc: `pods whose name servers or search domains the kubelet has to cut or make up

A resolver takes three name servers and 32 search domains. What a node's resolv.conf has
too much of is the node's matter; what a pod's dnsConfig has, the workload's.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{resolvConf},
	Run: func(p *analyzers.Pass) error {
		// The kubelet repeats them as long as the pod is there.
		for ev := range cluster.Scoped[*corev1.Event](p.Snapshot) {
			if ev.Reason != "MissingClusterDNS" && ev.Reason != "DNSConfigForming" || ev.InvolvedObject.Kind != "Pod" {
				continue
			}
			pod, ok := cluster.Find[*corev1.Pod](p.Snapshot, ev.InvolvedObject.Namespace, ev.InvolvedObject.Name)
			if !ok || ev.InvolvedObject.UID != pod.UID && ev.InvolvedObject.UID != "" && pod.UID != "" {
				continue
			}
			if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) || pod.Spec.NodeName == "" {
				continue
			}
			if ev.Reason == "MissingClusterDNS" {
				reportMissing(p, pod, ev)
			} else {
				reportCut(p, pod, ev)
			}
		}
		return nil
	},
}

// reportMissing is about a kubelet without clusterDNS (k8s.io/kubernetes
// pkg/kubelet/network/dns/dns.go: "kubelet does not have ClusterDNS IP configured and
// cannot create Pod using %q policy. Falling back to %q policy.").
func reportMissing(p *analyzers.Pass, pod *corev1.Pod, ev *corev1.Event) {
	node := nodeRef(pod)
	p.Report(analyzers.Finding{
		Code: resolvConf, Severity: analyzers.Error, Subject: node, Part: "clusterDNS", Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  analyzers.Line(fmt.Sprintf("The kubelet of node %s has no clusterDNS: its pods ask the node's resolver, which knows no Service", node.Name), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{told(pod, ev)},
		Fixes:    []analyzers.Fix{{Why: "Set clusterDNS in the kubelet's configuration to the address of the DNS Service, restart it and create the pods anew", Argv: p.Kubectl("kube-system", "get", "service", "-l", "k8s-app=kube-dns")}},
	})
}

// reportCut is about settings that are longer than a resolver takes ("Nameserver limits
// were exceeded, …", "Search Line limits were exceeded, …" of the same file).
func reportCut(p *analyzers.Pass, pod *corev1.Pod, ev *corev1.Event) {
	what, count := "search domains", 0
	if strings.HasPrefix(ev.Message, "Nameserver limits") {
		what = "name servers"
	}
	if c := pod.Spec.DNSConfig; c != nil {
		count = len(c.Searches)
		if what == "name servers" {
			count = len(c.Nameservers)
		}
	}
	f := analyzers.Finding{Code: resolvConf, Part: what, Affected: []analyzers.Ref{cluster.RefOf(pod)}, Evidence: []analyzers.Evidence{told(pod, ev)}}
	if count > 0 {
		f.Subject = p.Root(pod)
		f.Summary = fmt.Sprintf("Its pods have more %s than a resolver takes, and the last of them are left out; dnsConfig adds %d", what, count)
		f.Fixes = []analyzers.Fix{{Why: "Leave out what dnsConfig has too much", Argv: p.Kubectl(f.Subject.Namespace, "edit", f.Subject.Short())}}
	} else {
		f.Subject = nodeRef(pod)
		f.Summary = fmt.Sprintf("The resolv.conf of node %s has more %s than a resolver takes, and its pods lack the last of them", f.Subject.Name, what)
		f.Fixes = []analyzers.Fix{{Why: "Shorten the node's resolv.conf, or name another file in the kubelet's resolvConf; this shows the pods' events", Argv: p.Kubectl(pod.Namespace, "get", "events", "--field-selector", "reason=DNSConfigForming")}}
	}
	p.Report(f)
}

func nodeRef(pod *corev1.Pod) analyzers.Ref {
	return analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: pod.Spec.NodeName}
}

func told(pod *corev1.Pod, ev *corev1.Event) analyzers.Evidence {
	return analyzers.EventEvidence(cluster.RefOf(pod), ev)
}
