package services

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// LocalTraffic finds nodes that drop the traffic of a Service because it may not leave
// the node and no pod of the Service is there.
var LocalTraffic = &analyzers.Analyzer{
	Name: "services/local-traffic",
	Doc: `Services whose traffic policy Local drops traffic on nodes without a pod

A load balancer learns from the health check node port which nodes to leave out, so a
LoadBalancer Service is reported only when no node that load balancers use has a pod.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Pods, cluster.Nodes},
	Emits: []analyzers.Code{trafficLocal, trafficLocalIn},
	Run:   localTraffic,
}

func localTraffic(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) == 0 || svc.DeletionTimestamp != nil {
			continue
		}
		with := map[string]bool{}
		for _, pod := range selected(p.Snapshot, svc) {
			if cluster.PodReady(pod) {
				with[pod.Spec.NodeName] = true
			}
		}
		if len(with) == 0 {
			continue // nothing is served anywhere, which is another fault
		}
		if svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
			external(p, svc, with)
		}
		if ip := svc.Spec.InternalTrafficPolicy; ip != nil && *ip == corev1.ServiceInternalTrafficPolicyLocal {
			internal(p, svc, with)
		}
	}
	return nil
}

// external is about traffic from outside, by node ports or a load balancer.
func external(p *analyzers.Pass, svc *corev1.Service, with map[string]bool) {
	var without, usable []string
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		// Nobody sends users to the nodes of the control plane, which carry this label.
		if _, excluded := node.Labels[corev1.LabelNodeExcludeBalancers]; excluded || !cluster.NodeReady(node) {
			continue
		}
		usable = append(usable, node.Name)
		if !with[node.Name] {
			without = append(without, node.Name)
		}
	}
	f := analyzers.Finding{Code: trafficLocal, Subject: cluster.RefOf(svc), Evidence: policyEvidence(svc, "externalTrafficPolicy", string(svc.Spec.ExternalTrafficPolicy), with)}
	switch {
	case svc.Spec.Type == corev1.ServiceTypeLoadBalancer:
		if len(usable) == 0 || slices.ContainsFunc(usable, func(n string) bool { return with[n] }) {
			return
		}
		f.Severity = analyzers.Error
		f.Summary = "All traffic from outside is dropped: no node behind the load balancer has a pod of the Service (externalTrafficPolicy Local)"
	case len(without) == 0:
		return
	default:
		f.Summary = fmt.Sprintf("Requests to node port %s of %s are dropped: no pod of the Service is there (externalTrafficPolicy Local)", nodePorts(svc), names(without))
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Node " + without[0], Path: "pods", Quote: "no ready pod of the Service"})
	f.Fixes = []analyzers.Fix{policyFix(p, svc, "externalTrafficPolicy", "Let every node forward to pods on other nodes, which then no longer see the client's address")}
	p.Report(f)
}

// internal is about traffic of pods: it stays on their node. Only nodes where other pods
// of the namespace run are named; those are the clients to be expected.
func internal(p *analyzers.Pass, svc *corev1.Service, with map[string]bool) {
	var without []string
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, svc.Namespace) {
		if n := pod.Spec.NodeName; n != "" && live(pod) && !with[n] && !matches(svc.Spec.Selector, pod.Labels) && !slices.Contains(without, n) {
			without = append(without, n)
		}
	}
	if len(without) == 0 {
		return
	}
	slices.Sort(without)
	p.Report(analyzers.Finding{
		Code:     trafficLocalIn,
		Subject:  cluster.RefOf(svc),
		Summary:  fmt.Sprintf("Pods on %s cannot reach the Service: no pod of it is there (internalTrafficPolicy Local)", names(without)),
		Evidence: append(policyEvidence(svc, "internalTrafficPolicy", string(*svc.Spec.InternalTrafficPolicy), with), analyzers.Evidence{Source: "Node " + without[0], Path: "pods", Quote: "pods of the namespace, none of the Service"}),
		Fixes:    []analyzers.Fix{policyFix(p, svc, "internalTrafficPolicy", "Let every node forward to pods on other nodes")},
	})
}

func policyEvidence(svc *corev1.Service, field, value string, with map[string]bool) []analyzers.Evidence {
	ref := cluster.RefOf(svc).String()
	return []analyzers.Evidence{
		{Source: ref, Path: "spec." + field, Quote: field + ": " + value},
		{Source: ref, Path: "nodes with a ready pod", Quote: names(sorted(with))},
	}
}

func policyFix(p *analyzers.Pass, svc *corev1.Service, field, why string) analyzers.Fix {
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{field: "Cluster"}})
	return analyzers.Fix{
		Why:   why,
		Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data},
	}
}

func nodePorts(svc *corev1.Service) string {
	var out []string
	for _, port := range svc.Spec.Ports {
		if port.NodePort != 0 {
			out = append(out, fmt.Sprint(port.NodePort))
		}
	}
	return strings.Join(out, ", ")
}

// names lists the first few names and how many more there are.
func names(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
