package netpol

import (
	"fmt"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// WebhookCutOff reports policies that keep the API server out of an admission webhook.
// The API server is no pod, and which address its requests come from depends on the
// network: so only a policy counts that lets no address in at all.
var WebhookCutOff = &analyzers.Analyzer{
	Name:  "netpol/webhook-cut-off",
	Doc:   "network policies that keep the API server out of an admission webhook",
	Needs: evaluated(cluster.Events),
	Emits: []analyzers.Code{defaultDeny},
	Run: func(p *analyzers.Pass) error {
		if !policies(p) || reach.Plugin(p.Snapshot).NotEnforced() || tunnelled(p) {
			return nil
		}
		seen := map[cluster.Ref]bool{}
		for ev := range cluster.All[*corev1.Event](p.Snapshot) {
			m := unansweredCall.FindStringSubmatch(ev.Message)
			if m == nil || p.Since(cluster.EventTime(ev)) > recentCall {
				continue
			}
			if svc, ok := cluster.Find[*corev1.Service](p.Snapshot, m[3], m[2]); ok && !seen[cluster.RefOf(svc)] {
				seen[cluster.RefOf(svc)] = true
				judgeWebhook(p, m[1], svc, ev)
			}
		}
		return nil
	},
}

// recentCall is how long a failed call is news: controllers try again within minutes.
const recentCall = 10 * time.Minute

// unansweredCall is what the API server says of a webhook that gave no answer in time
// (k8s.io/apiserver pkg/util/webhook/error.go, pkg/admission/plugin/webhook/*/dispatcher.go;
// the rest is of Go's net and net/http).
var unansweredCall = regexp.MustCompile(`failed calling webhook "([^"]+)": .*Post "https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc[:/][^"]*": .*(?:context deadline exceeded|i/o timeout|Client\.Timeout)`)

// tunnelled reports whether requests of the API server come out of pods of the cluster.
func tunnelled(p *analyzers.Pass) bool {
	for _, label := range []map[string]string{{"k8s-app": "konnectivity-agent"}, {"app": "konnectivity-agent"}} {
		if len(p.PodsWith("kube-system", label)) > 0 {
			return true
		}
	}
	return false
}

func judgeWebhook(p *analyzers.Pass, webhook string, svc *corev1.Service, ev *corev1.Event) {
	if ready, _, known := p.Serving(svc); known && ready == 0 || !asked(p, analyzers.Finding{Subject: cluster.RefOf(svc)}, &corev1.Pod{ObjectMeta: ev.ObjectMeta}) {
		return
	}
	answer, err := reach.Evaluate(p.Snapshot, reach.Endpoint{Host: "the API server"}, reach.OfService(svc), reach.Ask{Protocol: corev1.ProtocolTCP})
	if err != nil || answer.State != reach.Denied {
		return
	}
	servers, ok := apiServerNodes(p)
	if !ok {
		return
	}
	for _, h := range answer.Hops {
		o, _ := p.Get(h.To)
		pod, ok := o.(*corev1.Pod)
		if h.State != reach.Denied || !ok || servers[pod.Spec.NodeName] {
			return // traffic from the own node is always let in
		}
	}
	side := answer.Hops[0].Denies()[0]
	c := cut{side: side, client: cluster.Ref{Kind: "Service", Namespace: svc.Namespace, Name: svc.Name}, target: "webhook " + webhook}
	subject := c.policy(p)
	p.Report(analyzers.Finding{
		Code: defaultDeny, Subject: subject, Part: "ingress " + c.target, Affected: []analyzers.Ref{cluster.RefOf(svc)},
		Summary: analyzers.Line(fmt.Sprintf("The API server cannot call admission webhook %s: NetworkPolicy %s lets no address into the pods of Service %s", webhook, subject.Name, svc.Name), analyzers.MaxSummary),
		Evidence: append(c.evidence(p, subject),
			analyzers.Evidence{Source: "Event on " + ev.InvolvedObject.Kind + " " + ev.InvolvedObject.Namespace + "/" + ev.InvolvedObject.Name, Path: ev.Reason, Quote: analyzers.QuoteHead(ev.Message), At: cluster.EventTime(ev)}),
		Fixes: []analyzers.Fix{{
			Why:  fmt.Sprintf("Add an ingress rule for port %d that names no peers, or the addresses of the API server as an ipBlock", answer.Hops[0].Port.Number),
			Argv: p.Kubectl(subject.Namespace, "edit", "networkpolicy", subject.Name),
		}},
	})
}

// apiServerNodes are the nodes that an API server runs on; ok is false when its addresses
// were not read.
func apiServerNodes(p *analyzers.Pass) (nodes map[string]bool, ok bool) {
	addresses := map[string]bool{}
	for slice := range cluster.In[*discoveryv1.EndpointSlice](p.Snapshot, "default") {
		if slice.Labels[discoveryv1.LabelServiceName] != "kubernetes" {
			continue
		}
		for _, e := range slice.Endpoints {
			for _, a := range e.Addresses {
				addresses[a] = true
			}
		}
	}
	nodes = map[string]bool{}
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		for _, a := range node.Status.Addresses {
			if addresses[a.Address] {
				nodes[node.Name] = true
			}
		}
	}
	return nodes, len(addresses) > 0
}
