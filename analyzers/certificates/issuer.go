package certificates

import (
	"fmt"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Issuer finds Issuers that are missing or not ready.
var Issuer = &analyzers.Analyzer{
	Name: "certificates/issuer",
	Doc: `issuers that are not ready, or that a certificate names and that do not exist

One that no certificate in scope waits for is a risk only.`,
	Needs: append([]schema.GroupKind{cluster.Issuers, cluster.ClusterIssuers}, kinds...),
	Emits: []analyzers.Code{issuerNotReady},
	Run:   runIssuer,
}

type issuer struct {
	Spec struct {
		CA *struct {
			SecretName string `json:"secretName"`
		} `json:"ca"`
		ACME *struct {
			Server string `json:"server"`
		} `json:"acme"`
	} `json:"spec"`
	Status struct {
		Conditions conditions `json:"conditions"`
	} `json:"status"`
}

// settling is how long an issuer may take to introduce itself to its server.
const settling = 30 * time.Second

func runIssuer(p *analyzers.Pass) error {
	waiting := map[analyzers.Ref][]issuance{}
	for _, i := range issuances(p) {
		if why, broken := issuerTrouble(p.Snapshot, i); broken && why == missing {
			p.Report(missingIssuer(p, i))
		}
		if i.issuer.Name != "" {
			waiting[i.issuer] = append(waiting[i.issuer], i)
		}
	}
	for _, gk := range []schema.GroupKind{cluster.Issuers, cluster.ClusterIssuers} {
		for o := range cluster.ScopedOf(p.Snapshot, gk) {
			ref := analyzers.Ref{APIVersion: apiVersion, Kind: gk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
			if is, c, ok := notReadyIssuer(p.Snapshot, o); ok {
				p.Report(brokenIssuer(p, o, is, c, waiting[ref]))
			}
		}
	}
	return nil
}

const (
	missing = "missing"
	unready = "not ready"
)

// issuerTrouble says what is wrong with the issuer that a certificate waits for.
func issuerTrouble(s *cluster.Snapshot, i issuance) (string, bool) {
	if i.issuer.Name == "" {
		return "", false
	}
	o, ok := s.Get(i.issuer)
	if !ok {
		// A certificate that was just made may be older than its issuer.
		return missing, s.Sees(i.issuer.GroupKind(), i.issuer.Namespace) && s.Since(i.since()) > settling
	}
	_, _, broken := notReadyIssuer(s, o)
	return unready, broken
}

func notReadyIssuer(s *cluster.Snapshot, o cluster.Object) (issuer, condition, bool) {
	is, err := cluster.As[issuer](o)
	c, ok := is.Status.Conditions.get("Ready")
	return is, c, err == nil && ok && c.Status == "False" && o.GetDeletionTimestamp() == nil && s.Since(c.LastTransitionTime.Time) > settling
}

func missingIssuer(p *analyzers.Pass, i issuance) analyzers.Finding {
	ref := cluster.RefOf(i.object)
	short := i.issuer.Kind + " " + i.issuer.Name
	f := analyzers.Finding{
		Code: issuerNotReady, Severity: i.severity(p.Now()), Subject: ref, CausedBy: []analyzers.Ref{i.issuer},
		Summary:  fmt.Sprintf("%s, which is to sign the certificate for %s, does not exist", short, names(i.cert)),
		Shared:   fmt.Sprintf("%s, which certificates wait for, does not exist", i.issuer),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "spec.issuerRef", Quote: fmt.Sprintf("kind: %s, name: %s", i.issuer.Kind, i.issuer.Name)}},
	}
	if c, ok := i.request.Status.Conditions.get("Ready"); ok && c.Status != "True" {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(i.requestObject).String(), Path: "status.conditions[Ready]", Quote: analyzers.Quote(c.Message), At: c.LastTransitionTime.Time})
	}
	other := analyzers.Ref{APIVersion: apiVersion, Kind: "ClusterIssuer", Name: i.issuer.Name}
	if i.issuer.Kind == "ClusterIssuer" {
		other = analyzers.Ref{APIVersion: apiVersion, Kind: "Issuer", Namespace: ref.Namespace, Name: i.issuer.Name}
	}
	set := func(why, kind, name string) analyzers.Fix {
		return analyzers.Fix{Why: why, Argv: p.Kubectl(ref.Namespace, "patch", "certificate", ref.Name, "--type", "merge", "-p", fmt.Sprintf(`{"spec":{"issuerRef":{"kind":%q,"name":%q}}}`, kind, name))}
	}
	var same []string
	for o := range cluster.Of(p.Snapshot, i.issuer.GroupKind()) {
		if o.GetNamespace() == i.issuer.Namespace {
			same = append(same, o.GetName())
		}
	}
	near, isNear := analyzers.Nearest(i.issuer.Name, same)
	switch _, exists := p.Get(other); {
	case exists:
		f.Summary = fmt.Sprintf("%s does not exist, but there is a %s of that name", short, other.Kind)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: other.String(), Path: "metadata.name", Quote: other.Name})
		f.Fixes = []analyzers.Fix{set(fmt.Sprintf("Name the %s", other.Kind), other.Kind, other.Name)}
	case isNear:
		f.Summary = fmt.Sprintf("%s does not exist; %s was probably meant", short, near)
		f.Fixes = []analyzers.Fix{set(fmt.Sprintf("Name %s %s, which exists", i.issuer.Kind, near), i.issuer.Kind, near)}
	}
	// What ingress-shim made is set back to what the Ingress says.
	if owner, _, ok := p.Owner(i.object); ok && owner.Kind == "Ingress" {
		f.Fixes = []analyzers.Fix{{Why: "Correct the annotation cert-manager.io/issuer or cluster-issuer of the Ingress, which the certificate is made from", Argv: p.Kubectl(ref.Namespace, "edit", "ingress", owner.Name)}}
	}
	if len(f.Fixes) == 0 {
		f.Fixes = []analyzers.Fix{{Why: "Show the issuers that there are, to name one of them", Argv: p.Kubectl("", "get", "clusterissuers,issuers", "--all-namespaces")}}
	}
	return f
}

// absentSecret is what client-go's listers and clients say
// (k8s.io/apimachinery pkg/api/errors/errors.go, NewNotFound).
var absentSecret = regexp.MustCompile(`secrets? "([^"]+)" not found`)

// brokenIssuer words the reasons of pkg/issuer/{acme,ca,vault}/setup.go.
func brokenIssuer(p *analyzers.Pass, o cluster.Object, is issuer, c condition, waiting []issuance) analyzers.Finding {
	ref := cluster.RefOf(o)
	name := ref.Kind + " " + ref.Name
	f := analyzers.Finding{
		Code: issuerNotReady, Severity: analyzers.Warning, Subject: ref,
		Summary:  fmt.Sprintf("%s is not ready: %s", name, c.Message),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.conditions[Ready]", Quote: analyzers.Quote(c.Reason + ": " + c.Message), At: c.LastTransitionTime.Time}},
		Fixes:    []analyzers.Fix{{Why: "Show the issuer and the events about it", Argv: p.Kubectl(ref.Namespace, "describe", ref.Short())}},
	}
	for _, i := range waiting {
		f.Affected = append(f.Affected, cluster.RefOf(i.object))
		if i.severity(p.Now()).AtLeast(analyzers.Error) {
			f.Severity = analyzers.Error
		}
	}
	if m := absentSecret.FindStringSubmatch(c.Message); m != nil {
		namespace := ref.Namespace
		if namespace == "" {
			namespace = "cert-manager" // the default of its flag --cluster-resource-namespace
		}
		secret := analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: namespace, Name: m[1]}
		f.CausedBy = []analyzers.Ref{secret}
		f.Summary = fmt.Sprintf("%s is not ready: Secret %s, which it needs, does not exist in namespace %s", name, m[1], namespace)
		if is.Spec.CA != nil {
			f.Summary = fmt.Sprintf("%s is not ready: its CA's Secret %s does not exist in namespace %s", name, m[1], namespace)
			f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Put the CA's certificate and key where the issuer looks for them", Argv: p.Kubectl(namespace, "create", "secret", "tls", m[1], "--cert=<ca.crt>", "--key=<ca.key>")})
		}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	return f
}
