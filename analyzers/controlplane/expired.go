package controlplane

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Expired finds certificates within the control plane that have run out.
var Expired = &analyzers.Analyzer{
	Name: "controlplane/expired-certificate",
	Doc: `certificates between the parts of the control plane that have run out

From the logs of its pods. When the API server's own certificate has expired, no Snapshot
can be had in the first place.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{certExpired},
	Run:   runExpired,
}

// crypto/x509 verify.go, CertificateInvalidError.
const expiredWords = "x509: certificate has expired or is not yet valid"

var validity = regexp.MustCompile(`current time (\S+) is (after|before) (\d{4}-[^\s"\\]+)`)

func runExpired(p *analyzers.Pass) error {
	for _, l := range matching(p.Snapshot, nil, expiredWords) {
		whose := "API server"
		switch l.component {
		case "kube-apiserver":
			// Of a client that presents an old certificate the API server says the same,
			// and of a webhook: neither is the control plane's.
			if !strings.Contains(l.text, "transport: authentication handshake failed") && !strings.Contains(l.text, ":2379") {
				continue
			}
			whose = "etcd"
		case "etcd":
			whose = "etcd"
		}
		state := "has expired"
		if m := validity.FindStringSubmatch(l.text); m != nil {
			state = "expired on " + m[3]
			if m[2] == "before" {
				state = fmt.Sprintf("is valid only from %s, or the clock is wrong", m[3])
			}
		}
		p.Report(analyzers.Finding{
			Code: certExpired, Subject: cluster.RefOf(l.pod),
			Summary:  analyzers.Line(fmt.Sprintf("A certificate %s: %s does not accept what the %s shows, or the other way round", state, l.component, whose), analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{l.evidence()},
			Fixes: []analyzers.Fix{
				{Why: "List the ends of all certificates, on the control plane's node", Argv: []string{"kubeadm", "certs", "check-expiration"}},
				{Why: "Renew them all there; then restart the static pods", Argv: []string{"kubeadm", "certs", "renew", "all"}},
			},
		})
	}
	return nil
}
