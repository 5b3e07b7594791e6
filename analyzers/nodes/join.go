package nodes

import (
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Joining finds machines that wait at the door: nobody approves the certificate with which
// their kubelet would speak to the API server.
var Joining = &analyzers.Analyzer{
	Name: "nodes/joining",
	Doc: `machines whose kubelet gets no client certificate, so that they do not join

One that never came as far as the API server, with an expired token or a wrong address,
leaves no trace there.`,
	Needs: []schema.GroupKind{cluster.SigningRequests, cluster.Nodes},
	Emits: []analyzers.Code{joinFailed},
	Run: func(p *analyzers.Pass) error {
		requests := requestsOf(p.Snapshot, certificatesv1.KubeAPIServerClientKubeletSignerName)
		for _, name := range sortedNames(requests) {
			r := requests[name]
			if isApproved(r) || p.Since(r.CreationTimestamp.Time) < approval {
				continue
			}
			p.Report(joiningFinding(p, name, r))
		}
		return nil
	},
}

func sortedNames(m map[string]*certificatesv1.CertificateSigningRequest) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func joiningFinding(p *analyzers.Pass, name string, r *certificatesv1.CertificateSigningRequest) analyzers.Finding {
	f := analyzers.Finding{
		Code: joinFailed, Subject: analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: name},
		Evidence: []analyzers.Evidence{requestEvidence(r)},
		CausedBy: []analyzers.Ref{{Kind: "Signer", Name: r.Spec.SignerName}},
		Shared:   "Nobody approves the client certificates of kubelets, so machines do not join",
		Fixes: []analyzers.Fix{
			{Why: "Approve the request, if the machine is known", Argv: p.Kubectl("", "certificate", "approve", r.Name)},
			{Why: "Show what lets kube-controller-manager approve such requests by itself", Argv: p.Kubectl("", "get", "clusterrolebindings", "-o", "wide")},
		},
	}
	state := "waits for approval since " + clock(p.Now(), r.CreationTimestamp.Time)
	if requestCondition(r, certificatesv1.CertificateDenied) != nil {
		state = "was denied"
	} else if requestCondition(r, certificatesv1.CertificateFailed) != nil {
		state = "could not be signed"
	}
	f.Summary = fmt.Sprintf("Machine %s has not joined: the client certificate of its kubelet %s", name, state)
	if _, ok := cluster.Find[*corev1.Node](p.Snapshot, "", name); ok {
		f.Severity = analyzers.Warning
		f.Summary = fmt.Sprintf("Kubelet of node %s loses access when its client certificate ends: the next one %s", name, state)
	}
	return f
}
