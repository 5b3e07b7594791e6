package certificates

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotReady finds Certificates that are not issued or not renewed.
var NotReady = &analyzers.Analyzer{
	Name: "certificates/not-ready",
	Doc: `certificates that cert-manager has not issued or cannot renew

A new one may take some minutes before that is worth a word, unless its request was
refused. One whose renewal fails while the old one is valid is a risk, not a failure.`,
	Needs: append([]schema.GroupKind{cluster.Issuers, cluster.ClusterIssuers, cluster.Pods}, kinds...),
	Emits: []analyzers.Code{certNotReady},
	Run:   runNotReady,
}

const (
	// issuing is how long an issuance may take: challenges by DNS wait for other servers.
	issuing = 5 * time.Minute
	// overdue is how long after its time a renewal has not even begun: cert-manager is
	// not at work. Renewal windows may delay it by up to a week, so the end must be near.
	overdue = time.Hour
)

func runNotReady(p *analyzers.Pass) error {
	for _, i := range issuances(p) {
		refused, why := i.refused()
		_, broken := issuerTrouble(p.Snapshot, i)
		told := slices.ContainsFunc(i.challenges, func(ch step) bool { return stuck(p, ch) })
		if !refused && !broken && !told && p.Since(i.since()) < issuing {
			continue
		}
		p.Report(notReady(p, i, why))
	}
	for o := range cluster.ScopedOf(p.Snapshot, cluster.Certificates) {
		c, err := cluster.As[certificate](o)
		switch {
		case err != nil || o.GetDeletionTimestamp() != nil:
		case len(c.Status.Conditions) == 0:
			untouched(p, o, c)
		default:
			unattended(p, o, c)
		}
	}
	return nil
}

// refused reports whether the newest request has come to a bad end, and what was said.
func (i issuance) refused() (refused bool, why string) {
	for _, kind := range []string{"Denied", "InvalidRequest"} {
		if c, ok := i.request.Status.Conditions.get(kind); ok && c.Status == "True" {
			return true, c.Message
		}
	}
	c, ok := i.request.Status.Conditions.get("Ready")
	if ok && c.Reason == "Failed" {
		return true, c.Message
	}
	if ok {
		why = c.Message
	}
	// The request of a failed attempt is deleted when the next one begins.
	if c, ok := i.cert.Status.Conditions.get("Issuing"); ok && c.Status == "False" && i.cert.Status.FailedIssuanceAttempts > 0 {
		return true, strings.TrimPrefix(c.Message, "The certificate request has failed to complete and will be retried: ")
	}
	return false, why
}

// unapproved reports whether the request waits for an approver: cert-manager's own, which
// approves at once, is turned off where another one decides.
func (i issuance) unapproved() bool {
	if i.requestObject == nil {
		return false
	}
	_, approved := i.request.Status.Conditions.get("Approved")
	_, denied := i.request.Status.Conditions.get("Denied")
	return !approved && !denied
}

func notReady(p *analyzers.Pass, i issuance, why string) analyzers.Finding {
	ref := cluster.RefOf(i.object)
	ready, _ := i.cert.Status.Conditions.get("Ready")
	f := analyzers.Finding{
		Code: certNotReady, Severity: i.severity(p.Now()), Subject: ref,
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.conditions[Ready]", Quote: analyzers.Quote(ready.Reason + ": " + ready.Message), At: ready.LastTransitionTime.Time}},
		Fixes: []analyzers.Fix{
			{Why: "Follow the chain down to the step that waits", Argv: p.Kubectl(ref.Namespace, "describe", "certificaterequest,order,challenge")},
		},
	}
	if i.issuer.Name != "" {
		f.CausedBy = []analyzers.Ref{i.issuer}
	}
	switch {
	case i.valid(p.Now()):
		end := i.cert.Status.NotAfter.UTC().Format("2006-01-02 15:04 UTC")
		f.Summary = fmt.Sprintf("Certificate for %s cannot be renewed, and ends on %s", names(i.cert), end)
		f.Evidence[0].Path, f.Evidence[0].Quote = "status.notAfter", "notAfter: "+i.cert.Status.NotAfter.UTC().Format(time.RFC3339)
	case !i.cert.Status.NotAfter.IsZero() && !i.cert.Status.NotAfter.After(p.Now()):
		f.Summary = fmt.Sprintf("Certificate for %s expired on %s and is not renewed", names(i.cert), i.cert.Status.NotAfter.UTC().Format("2006-01-02 15:04 UTC"))
	case ready.Reason == "IncorrectCertificate":
		f.Summary = fmt.Sprintf("Certificate for %s is not ready: another Certificate writes the same Secret %s", names(i.cert), i.cert.Spec.SecretName)
	case i.unapproved():
		f.Summary = fmt.Sprintf("Certificate for %s is not issued: nobody has approved or denied its request", names(i.cert))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(i.requestObject).String(), Path: "status.conditions", Quote: "neither Approved nor Denied", At: i.requestObject.GetCreationTimestamp().Time})
	case ready.Reason == "DoesNotExist":
		f.Summary = fmt.Sprintf("Certificate for %s is not issued: Secret %s does not exist", names(i.cert), i.cert.Spec.SecretName)
	default:
		f.Summary = fmt.Sprintf("Certificate for %s is not ready: %s", names(i.cert), ready.Message)
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	if i.requestObject != nil && why != "" {
		c, _ := i.request.Status.Conditions.get("Ready")
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(i.requestObject).String(), Path: "status.conditions", Quote: analyzers.Quote(why), At: c.LastTransitionTime.Time})
	}
	// Two Certificates that write one Secret take it from each other for ever.
	if ready.Reason == "IncorrectCertificate" {
		f.Fixes = []analyzers.Fix{{Why: "Give each Certificate a Secret of its own", Argv: p.Kubectl(ref.Namespace, "get", "certificates", "-o", "custom-columns=NAME:.metadata.name,SECRET:.spec.secretName")}}
	}
	return f
}

// untouched reports a Certificate that no controller has taken up.
func untouched(p *analyzers.Pass, o cluster.Object, c certificate) {
	if p.Since(o.GetCreationTimestamp().Time) < issuing {
		return
	}
	ref := cluster.RefOf(o)
	p.Report(analyzers.Finding{
		Code: certNotReady, Subject: ref,
		Summary:  analyzers.Line(fmt.Sprintf("No controller has looked at the certificate for %s: cert-manager does not run, or not for this namespace", names(c)), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.conditions", Quote: "conditions: none", At: o.GetCreationTimestamp().Time}},
		Fixes:    []analyzers.Fix{{Why: "See whether cert-manager runs, and what it says", Argv: p.Kubectl("cert-manager", "logs", "deployment/cert-manager", "--tail=50")}},
	})
}

// unattended reports a Certificate whose time is over and that cert-manager calls ready,
// or whose renewal has not begun: the controller does not run.
func unattended(p *analyzers.Pass, o cluster.Object, c certificate) {
	end, renewal := c.Status.NotAfter.Time, c.Status.RenewalTime.Time
	if end.IsZero() || !c.Status.Conditions.is("Ready") || c.Status.Conditions.is("Issuing") || c.Status.FailedIssuanceAttempts > 0 {
		return
	}
	ref := cluster.RefOf(o)
	f := analyzers.Finding{
		Code: certNotReady, Subject: ref,
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.notAfter", Quote: "notAfter: " + end.UTC().Format(time.RFC3339) + ", Ready: True", At: end}},
		Fixes:    []analyzers.Fix{{Why: "See whether cert-manager runs, and what it says", Argv: p.Kubectl("cert-manager", "logs", "deployment/cert-manager", "--tail=50")}},
	}
	left := end.Sub(p.Now())
	switch {
	case left < 0:
		f.Summary = fmt.Sprintf("Certificate for %s expired on %s, and cert-manager has not noticed", names(c), end.UTC().Format("2006-01-02 15:04 UTC"))
	case !renewal.IsZero() && p.Since(renewal) > overdue && left < end.Sub(renewal)/2:
		f.Severity = analyzers.Warning
		f.Summary = fmt.Sprintf("Certificate for %s should have been renewed on %s, and cert-manager has not begun", names(c), renewal.UTC().Format("2006-01-02 15:04 UTC"))
	default:
		return
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	p.Report(f)
}

// names are the domains of a certificate, in a few words.
func names(c certificate) string {
	switch n := len(c.Spec.DNSNames); n {
	case 0:
		return "Secret " + c.Spec.SecretName
	case 1:
		return c.Spec.DNSNames[0]
	default:
		return fmt.Sprintf("%s and %d more", c.Spec.DNSNames[0], n-1)
	}
}
