package nodes

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// approval is how long a controller that approves requests may take.
const approval = 5 * time.Minute

const nodeUser = "system:node:"

// requestsOf returns the newest request of each node for a certificate of one kind.
func requestsOf(s *cluster.Snapshot, signer string) map[string]*certificatesv1.CertificateSigningRequest {
	out := map[string]*certificatesv1.CertificateSigningRequest{}
	for r := range cluster.All[*certificatesv1.CertificateSigningRequest](s) {
		if r.Spec.SignerName != signer {
			continue
		}
		name := requester(r)
		if have := out[name]; name != "" && (have == nil || have.CreationTimestamp.Before(&r.CreationTimestamp)) {
			out[name] = r
		}
	}
	return out
}

// requester is the node for which a certificate is asked: its common name, or, where the
// request itself was left out of a capture, the user who asks.
func requester(r *certificatesv1.CertificateSigningRequest) string {
	if block, _ := pem.Decode(r.Spec.Request); block != nil {
		if parsed, err := x509.ParseCertificateRequest(block.Bytes); err == nil {
			if name, ok := strings.CutPrefix(parsed.Subject.CommonName, nodeUser); ok {
				return name
			}
		}
	}
	name, _ := strings.CutPrefix(r.Spec.Username, nodeUser)
	if name == r.Spec.Username {
		return ""
	}
	return name
}

func isApproved(r *certificatesv1.CertificateSigningRequest) bool {
	return len(r.Status.Certificate) > 0 || requestCondition(r, certificatesv1.CertificateApproved) != nil
}

func requestCondition(r *certificatesv1.CertificateSigningRequest, t certificatesv1.RequestConditionType) *certificatesv1.CertificateSigningRequestCondition {
	for i := range r.Status.Conditions {
		if c := &r.Status.Conditions[i]; c.Type == t && c.Status != corev1.ConditionFalse {
			return c
		}
	}
	return nil
}

// requestEvidence says how a request stands.
func requestEvidence(r *certificatesv1.CertificateSigningRequest) analyzers.Evidence {
	e := analyzers.Evidence{Source: cluster.RefOf(r).String(), Path: "status.conditions", Quote: "none: pending; signerName: " + r.Spec.SignerName, At: r.CreationTimestamp.Time}
	for _, t := range []certificatesv1.RequestConditionType{certificatesv1.CertificateDenied, certificatesv1.CertificateFailed} {
		if c := requestCondition(r, t); c != nil {
			e.Quote = analyzers.Quote(fmt.Sprintf("%s: %s %s", t, c.Reason, c.Message))
		}
	}
	return e
}
