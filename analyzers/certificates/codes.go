package certificates

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	issuerNotReady = cause("cert-issuer-not-ready", "Issuer of certificates is missing or not ready")
	httpChallenge  = cause("acme-challenge-pending-http01", "ACME server's HTTP request for a domain does not reach cert-manager's answer")
	dnsChallenge   = cause("acme-challenge-dns01", "DNS record that proves a domain to the ACME server cannot be set or seen")
	orderFailed    = cause("acme-order-failed", "ACME server refused to issue a certificate")
	webhookDown    = cause("cert-webhook-unavailable", "cert-manager's webhook does not answer")

	certNotReady = analyzers.Code{ID: "cert-not-ready", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Certificate is not issued or not renewed"}
)
