package dns

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Down finds a cluster whose DNS does not answer.
var Down = &analyzers.Analyzer{
	Name: "dns/down",
	Doc: `cluster DNS that has no server ready, or leaves programs without an answer

Servers that cannot be seen are no fault. Where some are there and ready, two workloads
must say that they get no answer: one alone may be cut off by a policy of its own.`,
	Needs: append(slices.Clone(lookupKinds), cluster.EndpointSlices, cluster.Deployments, cluster.NetworkPolicies,
		cluster.CiliumPolicies, cluster.CiliumClusterPolicies, cluster.CalicoPolicies, cluster.CalicoGlobalPolicies),
	Emits: []analyzers.Code{broken},
	Run: func(p *analyzers.Pass) error {
		clients := unansweredClients(p)
		if svc, ok := p.NamesDown(); ok {
			reportServers(p, svc, clients)
			return nil
		}
		if svc, d, ok := scaledDown(p.Snapshot); ok {
			reportScaledDown(p, svc, d, clients)
			return nil
		}
		reportSilent(p, clients)
		return nil
	},
}

// unansweredClients are the look-ups that the cluster's DNS did not answer. A pod that an
// egress policy selects may be cut off by it, and one with a resolver of its own never asked.
func unansweredClients(p *analyzers.Pass) []lookup {
	var out []lookup
	for _, l := range lookups(p) {
		if _, around := detourOf(p.Snapshot, &l.pod.Spec); !around && (l.answer == cluster.NoAnswer || l.answer == cluster.LookupFailed) {
			out = append(out, l)
		}
	}
	return out
}

// reportServers is about a DNS whose servers are there and not ready.
func reportServers(p *analyzers.Pass, svc *corev1.Service, clients []lookup) {
	var why string
	stuck := false
	var behind []analyzers.Ref
	for _, pod := range p.PodsWith(svc.Namespace, svc.Spec.Selector) {
		if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
			continue
		}
		if root := p.Root(pod); !slices.Contains(behind, root) {
			behind = append(behind, root)
		}
		if stage, w := p.Unready(pod); stage == cluster.Stuck && !stuck {
			stuck, why = true, w
		}
	}
	// Servers that are just being started are none yet; whoever waits for them still may.
	if !stuck {
		return
	}
	f := outage(svc, fmt.Sprintf("No name can be resolved in the cluster: no pod of %s %s is ready, as %s", behind[0].Kind, behind[0].Name, why), clients)
	f.CausedBy = behind
	f.Fixes = []analyzers.Fix{{Why: "Show what keeps the DNS pods from being ready", Argv: p.Kubectl(svc.Namespace, "describe", "pods", "-l", selector(svc))}}
	p.Report(f)
}

// scaledDown is the Deployment behind the cluster's DNS when it is scaled to zero.
func scaledDown(s *cluster.Snapshot) (*corev1.Service, *appsv1.Deployment, bool) {
	for _, svc := range s.NameServices() {
		if ready, _, known := s.Serving(svc); !known || ready > 0 {
			continue
		}
		for d := range cluster.In[*appsv1.Deployment](s, svc.Namespace) {
			if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 && cluster.Selects(svc.Spec.Selector, d.Spec.Template.Labels) {
				return svc, d, true
			}
		}
	}
	return nil, nil, false
}

// reportScaledDown is about a DNS that somebody has scaled to zero. Where another one has
// taken its place, as the provider's, that is as it should be: programs must miss it.
func reportScaledDown(p *analyzers.Pass, svc *corev1.Service, workload *appsv1.Deployment, clients []lookup) {
	if len(clients) == 0 {
		return
	}
	ref := cluster.RefOf(workload)
	f := outage(svc, fmt.Sprintf("No name can be resolved in the cluster: %s %s, its DNS, is scaled to 0", ref.Kind, ref.Name), clients)
	f.Subject = ref
	f.Evidence = append([]analyzers.Evidence{{Source: ref.String(), Path: "spec.replicas", Quote: "replicas: 0"}}, f.Evidence...)
	f.Fixes = []analyzers.Fix{{Why: "Scale it up again", Argv: p.Kubectl(ref.Namespace, "scale", ref.Short(), "--replicas=2")}}
	p.Report(f)
}

// outage is the finding about a DNS that does not serve.
func outage(svc *corev1.Service, summary string, clients []lookup) analyzers.Finding {
	ref := cluster.RefOf(svc)
	f := analyzers.Finding{
		Code: broken, Severity: analyzers.Critical, Subject: ref,
		Summary:  analyzers.Line(summary, analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "endpoints", Quote: "ready endpoints: 0"}},
	}
	suffer(&f, clients)
	return f
}

// reportSilent is about a DNS that seems to serve and leaves programs without an answer.
func reportSilent(p *analyzers.Pass, clients []lookup) {
	groups := map[analyzers.Ref][]lookup{}
	var order []analyzers.Ref
	for _, l := range clients {
		// SERVFAIL may be the upstream's; silence about a name of the cluster is not.
		if l.answer != cluster.NoAnswer || !l.namesService() || egressPolicy(p.Snapshot, l.pod) {
			continue
		}
		ref, ok := p.Asked(l.server)
		if !ok || ref.Kind != "Service" {
			continue
		}
		if groups[ref] == nil {
			order = append(order, ref)
		}
		groups[ref] = append(groups[ref], l)
	}
	for _, ref := range order {
		group := groups[ref]
		if roots(group) < 2 {
			continue
		}
		svc, _ := cluster.Find[*corev1.Service](p.Snapshot, ref.Namespace, ref.Name)
		ready, _, known := p.Serving(svc)
		text := fmt.Sprintf("Programs get no answer from the cluster's DNS at %s", svc.Spec.ClusterIP)
		if known && ready > 0 {
			text += ", although it has ready endpoints"
		}
		f := analyzers.Finding{Code: broken, Subject: ref, Summary: text}
		if known {
			f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: "endpoints", Quote: fmt.Sprintf("ready endpoints: %d", ready)}}
		}
		suffer(&f, group)
		f.Fixes = []analyzers.Fix{{Why: "Ask the DNS from a pod, to tell a server that does not answer from a network that drops its packets", Argv: p.Kubectl("", "run", "dns-test", "--rm", "-it", "--restart=Never", "--image=busybox", "--", "nslookup", "kubernetes.default", svc.Spec.ClusterIP)}}
		p.Report(f)
	}
}

// suffer adds the programs that wait for an answer, with what the first of them says.
func suffer(f *analyzers.Finding, clients []lookup) {
	for _, l := range clients {
		if ref := l.subject; !slices.Contains(f.Affected, ref) {
			f.Affected = append(f.Affected, ref)
		}
	}
	for _, l := range clients[:min(len(clients), 2)] {
		f.Evidence = append(f.Evidence, l.evidence())
	}
}

func roots(list []lookup) int {
	seen := map[analyzers.Ref]bool{}
	for _, l := range list {
		seen[l.subject] = true
	}
	return len(seen)
}

// egressPolicy reports whether a network policy may restrict what a pod connects to.
func egressPolicy(s *cluster.Snapshot, pod *corev1.Pod) bool {
	return otherPolicies(s, pod.Namespace) || slices.ContainsFunc(egressSelectors(s, pod.Namespace), func(m func(*corev1.Pod) bool) bool { return m(pod) })
}

func selector(svc *corev1.Service) string {
	var out []string
	for _, k := range sortedKeys(svc.Spec.Selector) {
		out = append(out, k+"="+svc.Spec.Selector[k])
	}
	return strings.Join(out, ",")
}
