package nodes

import (
	"fmt"
	"regexp"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ServingCert finds kubelets that wait for somebody to approve their serving certificate.
var ServingCert = &analyzers.Analyzer{
	Name: "nodes/serving-cert",
	Doc: `kubelets whose serving certificate nobody approves

With serverTLSBootstrap a kubelet asks for a certificate, and Kubernetes itself never
approves one of that kind. Without it kubectl logs and exec fail; while an old one still
holds, this is a warning.`,
	Needs: append(slices.Clone(nodeKinds), cluster.SigningRequests),
	Emits: []analyzers.Code{servingCert},
	Run: func(p *analyzers.Pass) error {
		requests := requestsOf(p.Snapshot, certificatesv1.KubeletServingSignerName)
		for _, n := range nodesOf(p.Snapshot) {
			l := refusedLog(p.Snapshot, n, certWords)
			r := requests[n.Name]
			if r != nil && (isApproved(r) || p.Since(r.CreationTimestamp.Time) < approval && l.Why == "") {
				r = nil
			}
			if n.isReady() && (r != nil || l.Why != "") {
				p.Report(servingFinding(p, n, r, l))
			}
		}
		return nil
	},
}

// certWords: a kubelet without a certificate ends the handshake with an alert
// (k8s.io/kubernetes pkg/kubelet/certificate/kubelet.go, "no serving certificate available
// for the kubelet"); one that signs its own is not trusted by an API server with
// --kubelet-certificate-authority.
var certWords = regexp.MustCompile(`remote error: tls: internal error|tls: failed to verify certificate|x509: certificate`)

func servingFinding(p *analyzers.Pass, n *node, r *certificatesv1.CertificateSigningRequest, l cluster.Log) analyzers.Finding {
	f := analyzers.Finding{
		Code: servingCert, Severity: analyzers.Warning, Subject: n.ref,
		CausedBy: []analyzers.Ref{{Kind: "Signer", Name: certificatesv1.KubeletServingSignerName}},
		Shared:   "Nobody approves the serving certificates of kubelets",
	}
	fails := ""
	if l.Why != "" {
		f.Severity, fails = analyzers.Error, ", and kubectl logs and exec fail"
		f.Evidence = append(f.Evidence, logEvidence(l))
	}
	if r == nil {
		f.Summary = fmt.Sprintf("API server does not accept the serving certificate of the kubelet on node %s%s", n.Name, fails)
		f.Shared = "API server does not accept the serving certificates of kubelets"
		f.Fixes = []analyzers.Fix{{Why: "Show the requests for certificates and who has approved them", Argv: p.Kubectl("", "get", "certificatesigningrequests")}}
		return f
	}
	f.Summary = fmt.Sprintf("Serving certificate of the kubelet on node %s waits for approval since %s%s", n.Name, clock(p.Now(), r.CreationTimestamp.Time), fails)
	f.Evidence = append([]analyzers.Evidence{requestEvidence(r)}, f.Evidence...)
	f.Fixes = []analyzers.Fix{
		{Why: "Approve the request, after a look at its names", Argv: p.Kubectl("", "certificate", "approve", r.Name)},
		{Why: "Show the names and addresses for which the certificate is asked", Argv: p.Kubectl("", "describe", "certificatesigningrequest", r.Name)},
	}
	return f
}
