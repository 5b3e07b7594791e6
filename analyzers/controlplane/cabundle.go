package controlplane

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CABundle finds CA certificates in the configuration of webhooks and aggregated APIs that
// have run out or soon will.
var CABundle = &analyzers.Analyzer{
	Name: "controlplane/ca-bundle",
	Doc: `CA certificates of webhooks and aggregated APIs that have run out, or soon will

With an expired CA the API server trusts no certificate that it has signed, however
young. A bundle that also holds a newer CA is well.`,
	Needs: []schema.GroupKind{cluster.ValidatingWebhooks, cluster.MutatingWebhooks, cluster.APIServices},
	Emits: []analyzers.Code{caExpired},
	Run:   runCABundle,
}

// soon is when whoever renews the CA should have done so: cert-manager and the products
// that make their own renew weeks ahead.
const soon = 7 * 24 * time.Hour

// A trust is a CA bundle that the API server checks somebody's certificate with.
type trust struct {
	of     cluster.Object
	part   string // webhook
	path   string
	bundle []byte
	// refuses says that a call that fails is a refusal.
	refuses bool
	service string // namespace/name, "" for a URL
}

func runCABundle(p *analyzers.Pass) error {
	for c := range cluster.All[*admissionv1.ValidatingWebhookConfiguration](p.Snapshot) {
		for i, w := range c.Webhooks {
			judgeBundle(p, webhookTrust(c, i, w.Name, w.FailurePolicy, w.ClientConfig))
		}
	}
	for c := range cluster.All[*admissionv1.MutatingWebhookConfiguration](p.Snapshot) {
		for i, w := range c.Webhooks {
			judgeBundle(p, webhookTrust(c, i, w.Name, w.FailurePolicy, w.ClientConfig))
		}
	}
	for o := range cluster.Of(p.Snapshot, cluster.APIServices) {
		api, err := cluster.As[apiService](o)
		if err != nil || api.Spec.Service == nil {
			continue
		}
		bundle, err := base64.StdEncoding.DecodeString(api.Spec.CABundle)
		if err != nil {
			continue
		}
		judgeBundle(p, trust{of: o, path: "spec.caBundle", bundle: bundle, refuses: true, service: api.Spec.Service.Namespace + "/" + api.Spec.Service.Name})
	}
	return nil
}

func webhookTrust(o cluster.Object, i int, name string, policy *admissionv1.FailurePolicyType, client admissionv1.WebhookClientConfig) trust {
	t := trust{
		of: o, part: name, path: fmt.Sprintf("webhooks[%d].clientConfig.caBundle", i), bundle: client.CABundle,
		refuses: policy == nil || *policy == admissionv1.Fail,
	}
	if client.Service != nil {
		t.service = client.Service.Namespace + "/" + client.Service.Name
	}
	return t
}

func judgeBundle(p *analyzers.Pass, t trust) {
	last := lastCA(t.bundle)
	if last == nil || p.Now().IsZero() || last.NotAfter.Sub(p.Now()) > soon {
		return
	}
	until := last.NotAfter.UTC().Format("2006-01-02 15:04 UTC")
	who := "Service " + t.service
	if t.service == "" {
		who = "the webhook's address"
	}
	f := analyzers.Finding{
		Code: caExpired, Severity: analyzers.Warning, Subject: cluster.RefOf(t.of), Part: t.part,
		Summary: analyzers.Line(fmt.Sprintf("The CA that %s is checked with ends on %s", who, until), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{{
			Source: cluster.RefOf(t.of).String(), Path: t.path, At: last.NotAfter,
			Quote: analyzers.Quote(fmt.Sprintf("subject: %s, notAfter: %s", last.Subject, last.NotAfter.UTC().Format(time.RFC3339))),
		}},
	}
	if p.Now().After(last.NotAfter) {
		f.Summary = analyzers.Line(fmt.Sprintf("The CA that %s is checked with expired on %s: the API server refuses its certificate", who, until), analyzers.MaxSummary)
		if t.refuses {
			f.Severity = analyzers.Error
		}
	}
	f.Fixes = fixBundle(p, t)
	p.Report(f)
}

// lastCA is the certificate of a bundle that is valid for longest. Certificates that
// cannot be read are left out, as crypto/x509 does when it makes a pool of the bundle.
func lastCA(bundle []byte) *x509.Certificate {
	var last *x509.Certificate
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && (last == nil || c.NotAfter.After(last.NotAfter)) {
			last = c
		}
	}
	return last
}

func fixBundle(p *analyzers.Pass, t trust) []analyzers.Fix {
	ref := cluster.RefOf(t.of)
	// https://cert-manager.io/docs/concepts/ca-injector/
	for _, a := range []string{"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret"} {
		if from := t.of.GetAnnotations()[a]; from != "" {
			return []analyzers.Fix{{
				Why:  fmt.Sprintf("See why cert-manager's cainjector has not put in the CA of %s", from),
				Argv: p.Kubectl("cert-manager", "logs", "deployment/cert-manager-cainjector", "--tail=50"),
			}}
		}
	}
	return []analyzers.Fix{{
		Why:  "Show the configuration; the product that it belongs to makes a new CA when its certificate is made anew",
		Argv: p.Kubectl("", "get", ref.Short(), "-o", "yaml"),
	}}
}
