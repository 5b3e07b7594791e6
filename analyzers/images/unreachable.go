package images

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unreachable reports registries that the node cannot talk to.
var Unreachable = &analyzers.Analyzer{
	Name:  "images/unreachable",
	Doc:   "registries that cannot be reached from the node, or that are down",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{unreachable},
	Run: func(p *analyzers.Pass) error {
		var c catalog
		for f := range pullsWith(p, unreachable) {
			f.reportUnreachable(p, &c)
		}
		return nil
	},
}

var (
	// requestHost is the host of the request that failed, as net/url.Error writes it. It
	// may be the registry's token server or a mirror.
	requestHost = regexp.MustCompile(`(?i)\b(?:head|get|post) "https?://([^/"?]+)`)
	gatewayDown = regexp.MustCompile(`\b50[234] (?:Bad Gateway|Service Unavailable|Gateway Time-?out)`)
)

func (f *pull) reportUnreachable(p *analyzers.Pass, c *catalog) {
	r := parse(f.image)
	host := f.asked(r)
	why, dns := networkFault(f.text)
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Node cannot pull %s: registry %s %s", short(strings.TrimPrefix(f.image, r.host+"/")), host, why)),
		CausedBy: []analyzers.Ref{registryRef(r.host)},
		Shared:   sayf("Registry %s %s", host, why),
		Evidence: f.evidence(analyzers.Evidence{Source: cluster.RefOf(f.pod).String(), Path: "spec.nodeName", Quote: f.pod.Spec.NodeName}),
	}
	check := analyzers.Fix{Why: "Test from the node itself whether the registry answers", Argv: f.nodeShell(p, "wget", "-T", "5", "-O", "-", "https://"+host+"/v2/")}
	if dns {
		check = analyzers.Fix{Why: "Look the name up on the node's own name servers, which differ from those of pods", Argv: f.nodeShell(p, "nslookup", strings.Split(host, ":")[0])}
		if near, ok := analyzers.Nearest(host, c.registries(p)); ok {
			finding.Summary = sentence(finding.Summary, "; "+near+" was probably meant")
			finding.Fixes = append(finding.Fixes, f.setImage(p, strings.Replace(f.image, r.host, near, 1), "Use the registry that other images of the cluster come from"))
		}
	}
	finding.Fixes = append(finding.Fixes, f.rollback(p, "")...)
	finding.Fixes = append(finding.Fixes[:min(len(finding.Fixes), 2)], check)
	f.report(p, finding)
}

// asked is the host that the node talked to.
func (f *pull) asked(r reference) string {
	m := requestHost.FindStringSubmatch(f.text)
	if m == nil || m[1] == "registry-1.docker.io" {
		return r.registry()
	}
	return m[1]
}

// networkFault says in words what a network error means, as the end of "registry x …".
func networkFault(text string) (why string, dns bool) {
	if status := gatewayDown.FindString(text); status != "" {
		return "answers " + status, false
	}
	lower := strings.ToLower(text)
	for _, k := range []struct {
		part, why string
		dns       bool
	}{
		{"proxyconnect", "is asked through a proxy that does not work", false},
		{"proxy authentication required", "is asked through a proxy that wants a login", false},
		{"no such host", "has no address in the node's DNS (no such host)", true},
		{"server misbehaving", "cannot be looked up: the node's DNS server fails", true},
		{"temporary failure in name resolution", "cannot be looked up: the node's DNS server fails", true},
		{"connection refused", "does not listen (connection refused)", false},
		{"no route to host", "has no route from the node", false},
		{"network is unreachable", "has no route from the node", false},
		{"tls handshake timeout", "does not answer in time (TLS handshake timeout)", false},
		{"connection reset", "cuts the connection (connection reset by peer)", false},
		{"timeout", "does not answer in time", false},
		{"timed out", "does not answer in time", false},
		{"deadline exceeded", "does not answer in time", false},
		{"awaiting", "does not answer in time", false},
		{"while waiting", "does not answer in time", false},
		{"eof", "cuts the connection (EOF)", false},
		{"broken pipe", "cuts the connection", false},
	} {
		// A name server that does not answer is looked up and times out.
		if strings.Contains(lower, k.part) {
			return k.why, k.dns || strings.Contains(lower, "dial tcp: lookup ")
		}
	}
	return "is not available", false
}
