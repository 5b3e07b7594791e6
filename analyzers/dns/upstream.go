package dns

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Upstream finds CoreDNS servers that cannot resolve names outside the cluster.
var Upstream = &analyzers.Analyzer{
	Name: "dns/upstream",
	Doc: `CoreDNS servers whose upstream does not answer, or is CoreDNS itself

CoreDNS logs each query that an upstream leaves without an answer, and none that went
well: old lines stay. So a program must say that it cannot resolve a name outside the
cluster, or the server must have been started within the hour.`,
	Needs: append(slices.Clone(lookupKinds), cluster.ConfigMaps),
	Emits: []analyzers.Code{externalOnly},
	Run: func(p *analyzers.Pass) error {
		for _, s := range servers(p) {
			if s.local || !cluster.PodReady(s.pod) {
				continue
			}
			if reportSelfForward(p, s) {
				continue
			}
			reportUpstream(p, s)
		}
		return nil
	},
}

// upstreamWords are what plugin errors writes of a query that was forwarded in vain
// (github.com/coredns/coredns plugin/errors/errors.go: code, name, type, error). Code 2 is
// SERVFAIL.
var upstreamWords = regexp.MustCompile(`plugin/errors: 2 (\S+?)\.? (\S+): (?:(?:read|write|dial) (?:udp|tcp)[46]? (?:\S+->)?(\S+:\d+): (.+)|no healthy proxies)$`)

// answeredWords are those of plugin log about a query that got an address
// (github.com/coredns/coredns plugin/log/log.go, CommonLogFormat).
var answeredWords = regexp.MustCompile(`"(?:A|AAAA) IN (\S+?)\.? (?:udp|tcp) [^"]*" NOERROR `)

// A complaint is one line about an upstream.
type complaint struct{ name, upstream, how, line string }

func complaints(log cluster.Log, zones []string) []complaint {
	var out []complaint
	for _, line := range log.Lines() {
		// With plugin log, one that went well since shows that the upstream answers.
		if m := answeredWords.FindStringSubmatch(line); m != nil && !inZones(strings.ToLower(m[1]), zones) {
			out = nil
			continue
		}
		m := upstreamWords.FindStringSubmatch(line)
		if m == nil || inZones(m[1], zones) || strings.HasSuffix(m[1], ".arpa") {
			continue
		}
		how := lastPart(m[4])
		if how == "" {
			how = "no healthy proxies"
		}
		out = append(out, complaint{strings.ToLower(m[1]), m[3], how, line})
	}
	return out
}

// inZones reports whether a name is one of the cluster's. Names of the cluster that a
// search list led outside are no upstream's matter.
func inZones(name string, zones []string) bool {
	return slices.ContainsFunc(append([]string{"cluster.local"}, zones...), func(z string) bool { return name == z || strings.HasSuffix(name, "."+z) })
}

const (
	// fewComplaints are to be found in any log.
	fewComplaints = 10
	// freshStart bounds the age of what a log says that has no times.
	freshStart = time.Hour
)

func reportUpstream(p *analyzers.Pass, s server) {
	for _, status := range s.pod.Status.ContainerStatuses {
		log, ok := p.Log(s.pod, status.Name, false)
		if !ok || status.State.Running == nil {
			continue
		}
		all := complaints(log, zones(p.Snapshot))
		if len(all) == 0 {
			continue
		}
		last := all[len(all)-1]
		clients := slices.DeleteFunc(unansweredClients(p), func(l lookup) bool {
			return l.namesService() || !slices.ContainsFunc(all, func(c complaint) bool { return c.name == l.host })
		})
		fresh := p.Since(status.State.Running.StartedAt.Time) < freshStart && len(all) >= fewComplaints
		if len(clients) == 0 && !fresh {
			continue
		}
		summary := fmt.Sprintf("%s cannot resolve names outside the cluster, such as %s: upstream %s fails with %s", s.who(), last.name, last.upstream, last.how)
		if last.upstream == "" {
			summary = fmt.Sprintf("%s cannot resolve names outside the cluster, such as %s: no upstream is healthy", s.who(), last.name)
		}
		f := analyzers.Finding{
			Code: externalOnly, Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)},
			Summary:  analyzers.Line(summary, analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{s.said(log, last.line)},
		}
		if len(clients) == 0 {
			f.Severity = analyzers.Warning
		}
		f.Affected = nil
		suffer(&f, clients)
		f.Affected = append(f.Affected, cluster.RefOf(s.pod))
		if cm, corefile, ok := corefileOf(p.Snapshot, s.pod.Namespace, &s.pod.Spec); ok {
			if d, ok := forwardOf(corefile, "."); ok {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(cm).String(), Path: fmt.Sprintf("data[Corefile] line %d", d.line), Quote: lineOf(corefile, d.line)})
			}
			f.Fixes = []analyzers.Fix{{Why: "Forward to a name server that answers from the pods' network", Argv: p.Kubectl(cm.Namespace, "edit", "configmap", cm.Name)}}
		}
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show which names and upstreams fail", Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "--tail=100")})
		p.Report(f)
		return
	}
}

// reportSelfForward is about a Corefile that forwards to the server itself: to a loopback
// address, which in a pod is the pod, or to the Service of the cluster's DNS. In the
// host's network a loopback address is the node's own resolver.
func reportSelfForward(p *analyzers.Pass, s server) bool {
	cm, corefile, ok := corefileOf(p.Snapshot, s.pod.Namespace, &s.pod.Spec)
	if !ok || len(s.pod.Spec.Containers) != 1 {
		return false // a second container may be the one that answers there
	}
	blocks, open := parseCorefile(corefile)
	if open > 0 {
		return false
	}
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name != "forward" || len(d.args) < 2 {
				continue
			}
			for _, to := range d.args[1:] {
				if !forwardsToSelf(p.Snapshot, s.pod, blocks, to) || len(d.args) > 2 {
					continue
				}
				p.Report(analyzers.Finding{
					Code: externalOnly, Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)},
					Summary:  analyzers.Line(fmt.Sprintf("%s forwards names in %s to %s, which is itself: none of them can be resolved", s.who(), d.args[0], to), analyzers.MaxSummary),
					Evidence: []analyzers.Evidence{{Source: cluster.RefOf(cm).String(), Path: fmt.Sprintf("data[Corefile] line %d", d.line), Quote: lineOf(corefile, d.line)}},
					Fixes:    []analyzers.Fix{{Why: "Forward to a name server outside the cluster", Argv: p.Kubectl(cm.Namespace, "edit", "configmap", cm.Name)}},
				})
				return true
			}
		}
	}
	return false
}

func forwardsToSelf(s *cluster.Snapshot, pod *corev1.Pod, blocks []serverBlock, to string) bool {
	ip, port := to, "53"
	if at, err := netip.ParseAddrPort(to); err == nil {
		ip, port = at.Addr().String(), fmt.Sprint(at.Port())
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	if addr.IsLoopback() {
		return !pod.Spec.HostNetwork && slices.ContainsFunc(blocks, func(b serverBlock) bool {
			return b.port() == port && len(b.keys) > 0 && strings.HasPrefix(b.keys[0], ".")
		})
	}
	return port == "53" && slices.ContainsFunc(s.NameServices(), func(svc *corev1.Service) bool {
		return svc.Spec.ClusterIP == ip && cluster.Selects(svc.Spec.Selector, pod.Labels)
	})
}
