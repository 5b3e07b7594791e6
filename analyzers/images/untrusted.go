package images

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Untrusted reports registries whose TLS the node's runtime does not accept.
var Untrusted = &analyzers.Analyzer{
	Name:  "images/untrusted",
	Doc:   "registries whose TLS certificate a node does not trust, or that have none",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{untrusted},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, untrusted) {
			f.reportUntrusted(p)
		}
		return nil
	},
}

func (f *pull) reportUntrusted(p *analyzers.Pass) {
	r := parse(f.image)
	why := tlsFault(f.text)
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Node does not trust registry %s and cannot pull %s: %s", f.asked(r), short(strings.TrimPrefix(f.image, r.host+"/")), why)),
		CausedBy: []analyzers.Ref{registryRef(r.host)},
		Shared:   sayf("The nodes do not trust registry %s: %s", r.registry(), why),
		Evidence: f.evidence(analyzers.Evidence{Source: cluster.RefOf(f.pod).String(), Path: "spec.nodeName", Quote: f.pod.Spec.NodeName}),
	}
	finding.Fixes = append(finding.Fixes, analyzers.Fix{
		Why:  "Show containerd's settings for the registry on the node; write its CA, or that it speaks HTTP, there (no restart needed)",
		Argv: f.nodeShell(p, "cat", "/host/etc/containerd/certs.d/"+r.host+"/hosts.toml"),
	})
	finding.Fixes = append(finding.Fixes, f.rollback(p, "")...)
	finding.Fixes = finding.Fixes[:min(len(finding.Fixes), 3)]
	f.report(p, finding)
}

// tlsFault says in words what is wrong (Go crypto/x509/verify.go, net/http/transport.go).
func tlsFault(text string) string {
	for _, k := range []struct{ part, why string }{
		{"server gave HTTP response to HTTPS client", "it speaks plain HTTP"},
		{"Client sent an HTTP request to an HTTPS server", "it wants HTTPS and the node is set to plain HTTP"},
		{"first record does not look like a TLS handshake", "it does not speak TLS"},
		{"certificate has expired or is not yet valid", "its certificate has expired or is not valid yet"},
		{"signed by unknown authority", "its certificate is signed by an unknown authority"},
		{"doesn't contain any IP SANs", "its certificate is not for this IP address"},
		{"certificate is valid for", "its certificate is for another name"},
		{"certificate is not valid for any names", "its certificate is for no name"},
		{"relies on legacy Common Name", "its certificate has no subject alternative name"},
		{"remote error: tls", "it breaks off the TLS handshake"},
	} {
		if strings.Contains(text, k.part) {
			return k.why
		}
	}
	return "its certificate cannot be verified"
}
