package netpol

import (
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// BlocksDNS reports policies that cut pods off from the cluster's DNS. An egress policy
// without a rule for port 53 is the rule for programs that use no names, so somebody must
// fail to look one up. The one exception is a policy that is younger than the pods that it
// selects and lets them through to what they know by name: they run on what they have
// looked up before.
var BlocksDNS = &analyzers.Analyzer{
	Name:  "netpol/blocks-dns",
	Doc:   "network policies that cut pods off from the cluster's DNS",
	Needs: evaluated(),
	Emits: []analyzers.Code{blocksDNS},
	Run: func(p *analyzers.Pass) error {
		for _, a := range attempts(p) {
			if a.unanswered() {
				noAnswer(p, a)
			}
		}
		forgotten(p)
		return nil
	},
}

const dnsPort = 53

// noAnswer reports what cuts off a pod that got no answer to a look-up.
func noAnswer(p *analyzers.Pass, a attempt) {
	to, ok := nameServer(p, a.pod, a.lookup.Server)
	if !ok {
		return
	}
	client := p.Root(a.pod)
	for _, side := range dnsCuts(p, a.pod, to) {
		c := cut{side: side, client: client, target: "the cluster's DNS", ask: append(question(client, to, dnsPort), "--protocol", "UDP")}
		f := c.finding(p, a.pod, a.evidence)
		f.Code, f.Part = blocksDNS, direction(side)
		f.Summary = dnsSummary(c, f.Subject, to)
		if asked(p, f, a.pod) {
			p.Report(f)
		}
	}
}

func dnsSummary(c cut, policy cluster.Ref, to reach.Endpoint) string {
	if n, ok := c.near(); ok {
		return analyzers.Line(fmt.Sprintf("NetworkPolicy %s %s: %s %s gets no answer from DNS", policy.Name, n.Text, c.client.Kind, c.client.Name), analyzers.MaxSummary)
	}
	server := to.Ref.String()
	if to.IP.IsValid() {
		server = to.IP.String()
	}
	return analyzers.Line(fmt.Sprintf("%s %s cannot look up names, as no rule of NetworkPolicy %s lets this %s to %s port 53 through",
		c.client.Kind, c.client.Name, policy.Name, direction(c.side), server), analyzers.MaxSummary)
}

// dnsCuts are the sides that deny look-ups by UDP, which is how all resolvers begin.
func dnsCuts(p *analyzers.Pass, pod *corev1.Pod, to reach.Endpoint) []*reach.Side {
	if to.Service != nil {
		if ready, _, known := p.Serving(to.Service); known && ready == 0 {
			return nil // DNS is down for everybody
		}
	}
	answer, err := reach.Evaluate(p.Snapshot, reach.OfPod(pod), to, reach.Ask{Number: dnsPort, Protocol: corev1.ProtocolUDP})
	if err != nil || answer.State != reach.Denied {
		return nil
	}
	for _, h := range answer.Hops {
		if h.State != reach.Denied {
			return nil // some server answers; resolvers try again
		}
	}
	return answer.Hops[0].Denies()
}

// nameServer is what a pod asks: the server that its log names, one of its own settings,
// or the cluster's DNS. Those of the node are not known.
func nameServer(p *analyzers.Pass, pod *corev1.Pod, said string) (reach.Endpoint, bool) {
	if said == "" && pod.Spec.DNSConfig != nil && len(pod.Spec.DNSConfig.Nameservers) > 0 && pod.Spec.DNSPolicy == corev1.DNSNone {
		said = pod.Spec.DNSConfig.Nameservers[0]
	}
	if ip, err := netip.ParseAddr(said); err == nil {
		return reach.OfIP(p.Snapshot, ip), true
	}
	switch policy := pod.Spec.DNSPolicy; {
	case policy == corev1.DNSClusterFirstWithHostNet:
	case (policy == corev1.DNSClusterFirst || policy == "") && !pod.Spec.HostNetwork:
	default:
		return reach.Endpoint{}, false
	}
	svc, ok := clusterDNS(p)
	if !ok || hasLocalCache(p) {
		return reach.Endpoint{}, false // which of the two answers, the node knows
	}
	return reach.OfService(svc), true
}

// clusterDNS is the Service at which pods ask the cluster's DNS.
func clusterDNS(p *analyzers.Pass) (*corev1.Service, bool) {
	services := p.NameServices()
	if len(services) == 0 {
		return nil, false
	}
	return services[0], true
}

// hasLocalCache reports whether NodeLocal DNSCache may answer in place of the Service
// (k8s.io/kubernetes cluster/addons/dns/nodelocaldns).
func hasLocalCache(p *analyzers.Pass) bool {
	for _, name := range []string{"node-local-dns", "nodelocaldns"} {
		if _, ok := p.Get(cluster.Ref{APIVersion: "apps/v1", Kind: "DaemonSet", Namespace: "kube-system", Name: name}); ok {
			return true
		}
	}
	return false
}

// forgotten warns of policies that name what their pods need and not the DNS to find it.
func forgotten(p *analyzers.Pass) {
	svc, ok := clusterDNS(p)
	if !ok || !policies(p) || hasLocalCache(p) || !reach.Plugin(p.Snapshot).Enforced() {
		return
	}
	newest := map[string]time.Time{} // egress policy, by namespace
	for policy := range cluster.Scoped[*networkingv1.NetworkPolicy](p.Snapshot) {
		if made := policy.CreationTimestamp.Time; reach.Affects(policy, networkingv1.PolicyTypeEgress) && made.After(newest[policy.Namespace]) {
			newest[policy.Namespace] = made
		}
	}
	for _, w := range p.Workloads("") {
		made, restricted := newest[w.GetNamespace()]
		if !restricted {
			continue
		}
		pod, ok := runsOnMemory(p, w)
		if !ok || pod.Status.StartTime == nil || pod.Status.StartTime.After(made) {
			continue
		}
		sides := dnsCuts(p, pod, reach.OfService(svc))
		if len(sides) != 1 || string(sides[0].Direction) != "Egress" || !younger(p, sides[0], pod) {
			continue
		}
		name, e, ok := allowedByName(p, pod)
		if !ok {
			continue
		}
		c := cut{side: sides[0], client: p.Root(pod), target: "the cluster's DNS", ask: append(question(p.Root(pod), reach.OfService(svc), dnsPort), "--protocol", "UDP")}
		f := c.finding(p, pod, e)
		f.Code, f.Part, f.Severity = blocksDNS, "egress", analyzers.Warning
		f.Summary = analyzers.Line(fmt.Sprintf("NetworkPolicy %s lets %s %s through to %s and not to the DNS that it needs to find it", f.Subject.Name, c.client.Kind, c.client.Name, name), analyzers.MaxSummary)
		p.Report(f)
	}
}

// runsOnMemory returns a ready pod of a workload.
func runsOnMemory(p *analyzers.Pass, w cluster.Object) (*corev1.Pod, bool) {
	for _, pod := range p.PodsOf(w) {
		if cluster.PodReady(pod) && (pod.Spec.DNSPolicy == corev1.DNSClusterFirst || pod.Spec.DNSPolicy == "") && !pod.Spec.HostNetwork {
			return pod, true
		}
	}
	return nil, false
}

// younger reports whether all policies that cut the pod off were made after it started:
// one that started under them shows by running that it needs no names.
func younger(p *analyzers.Pass, side *reach.Side, pod *corev1.Pod) bool {
	var start time.Time
	if pod.Status.StartTime != nil {
		start = pod.Status.StartTime.Time
	}
	for _, ref := range side.Policies {
		o, ok := p.Get(ref)
		if !ok || start.IsZero() || !o.GetCreationTimestamp().After(start) {
			return false
		}
	}
	return true
}

// allowedByName finds a Service that a variable of the pod names and that the policies let
// it through to by a rule.
func allowedByName(p *analyzers.Pass, pod *corev1.Pod) (string, analyzers.Evidence, bool) {
	for _, c := range pod.Spec.Containers {
		for _, a := range fromSettings(pod, c.Name, false) {
			d := p.Dependency(pod.Namespace, a.to)
			if _, err := netip.ParseAddr(a.to.Host); err == nil || d.Service == nil {
				continue
			}
			answer, err := reach.Evaluate(p.Snapshot, reach.OfPod(pod), reach.OfService(d.Service), reach.Ask{Number: int32(a.to.Port)})
			if err == nil && answer.State == reach.Allowed && answer.Hops[0].Egress != nil && answer.Hops[0].Egress.Rule != nil {
				return local(cluster.RefOf(d.Service), pod.Namespace), a.evidence, true
			}
		}
	}
	return "", analyzers.Evidence{}, false
}
