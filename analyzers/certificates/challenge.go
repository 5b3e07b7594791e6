package certificates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Challenge finds ACME challenges that do not get through.
var Challenge = &analyzers.Analyzer{
	Name: "certificates/challenge",
	Doc: `proofs of a domain, by HTTP or DNS, that do not reach the ACME server

By what cert-manager's own check gets in place of the answer, or what the ACME server says
of its own. A challenge that was just set up may take its time.`,
	Needs: append([]schema.GroupKind{cluster.Pods}, kinds...),
	Emits: []analyzers.Code{httpChallenge, dnsChallenge},
	Run:   runChallenge,
}

const (
	// cert-manager checks every 10 seconds; an ingress controller and a public name may
	// take a minute or two until they know the way.
	spreading = 2 * time.Minute
	// A record spreads as slowly as the zone's servers and their caches allow.
	spreadingDNS = 10 * time.Minute
	// presenting is how long the provider's API may take.
	presenting = time.Minute
)

// final are the states in which the ACME server has spoken (pkg/acme/util.go).
var final = map[string]bool{"invalid": true, "expired": true, "errored": true}

func runChallenge(p *analyzers.Pass) error {
	for _, i := range issuances(p) {
		// The domains of one certificate mostly fail alike.
		alike := map[string][]step{}
		var order []string
		for _, ch := range i.challenges {
			if !stuck(p, ch) {
				continue
			}
			key := ch.Spec.Type + strings.ReplaceAll(word(ch), ch.Spec.DNSName, "")
			if len(alike[key]) == 0 {
				order = append(order, key)
			}
			alike[key] = append(alike[key], ch)
		}
		for n, key := range order {
			f := challengeFinding(p, i, alike[key])
			if n > 0 {
				f.Part = alike[key][0].Spec.DNSName
			}
			p.Report(f)
		}
	}
	return nil
}

// stuck reports whether a challenge has failed or waits for longer than it should, for a
// reason of its own.
func stuck(p *analyzers.Pass, ch step) bool {
	if ch.Status.Reason == "" || ch.Status.State == "valid" || !final[ch.Status.State] && p.Since(ch.object.GetCreationTimestamp().Time) <= patience(ch) {
		return false
	}
	// A solver that does not run has a fault of its own, reported by what checks pods.
	return !slices.ContainsFunc(solvers(p, ch), func(pod *corev1.Pod) bool { stage, _ := p.Unready(pod); return stage != cluster.Ready })
}

func patience(ch step) time.Duration {
	switch {
	case !ch.Status.Presented:
		return presenting
	case ch.Spec.Type == "DNS-01":
		return spreadingDNS
	}
	return spreading
}

func challengeFinding(p *analyzers.Pass, i issuance, alike []step) analyzers.Finding {
	ref, ch := cluster.RefOf(i.object), alike[0]
	who := ch.Spec.DNSName
	if n := len(alike) - 1; n > 0 {
		who = fmt.Sprintf("%s and %d more", who, n)
	}
	f := analyzers.Finding{
		Code: httpChallenge, Severity: i.severity(p.Now()), Subject: ref,
		Summary: analyzers.Line(fmt.Sprintf("%s challenge for %s: %s", ch.Spec.Type, who, word(ch)), analyzers.MaxSummary),
	}
	for _, x := range alike {
		f.Affected = append(f.Affected, cluster.RefOf(x.object))
		if len(f.Evidence) < 3 {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(x.object).String(), Path: "status.reason", Quote: analyzers.Quote(x.Status.Reason), At: x.object.GetCreationTimestamp().Time})
		}
	}
	if ch.Spec.Type == "DNS-01" {
		f.Code, f.Fixes = dnsChallenge, dnsFixes(p, i, ch)
		return f
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Ask as the ACME server does: port 80 of the domain must lead to this cluster", Argv: []string{"curl", "-sSiL", "http://" + ch.Spec.DNSName + "/.well-known/acme-challenge/test"}},
		{Why: "Show the Ingress that carries the answer: its class must be one that a controller here serves", Argv: p.Kubectl(ref.Namespace, "get", "ingress", "-l", "acme.cert-manager.io/http01-solver=true", "-o", "wide")},
	}
	return f
}

func word(ch step) string {
	if ch.Spec.Type == "DNS-01" {
		return wordDNS(ch)
	}
	return wordHTTP(ch)
}

// solvers are the pods that answer for a challenge (pkg/issuer/acme/http/pod.go).
func solvers(p *analyzers.Pass, ch step) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range p.PodsWith(ch.object.GetNamespace(), map[string]string{"acme.cert-manager.io/http01-solver": "true"}) {
		if metav1.IsControlledBy(pod, ch.object) {
			out = append(out, pod)
		}
	}
	return out
}

var (
	waitingFor = regexp.MustCompile(`^Waiting for \S+ challenge propagation: `)
	// pkg/issuer/acme/http/http.go, testReachability.
	wrongStatus = regexp.MustCompile(`wrong status code '(\d+)', expected '200'`)
	dialed      = regexp.MustCompile(`dial tcp (\S+): (?:connect: )?(.*)$`)
	lookedUp    = regexp.MustCompile(`lookup ([^\s:]+)(?: on \S+)?: no such host`)
	// golang.org/x/crypto/acme Error and AuthorizationError.
	challengeURL = regexp.MustCompile(`https?://\S+/\.well-\S+`)
	problem      = regexp.MustCompile(`\d{3} urn:ietf:params:acme:error:(\w+): (.*)`)
)

func wordHTTP(ch step) string {
	reason := waitingFor.ReplaceAllString(ch.Status.Reason, "")
	if m := problem.FindStringSubmatch(reason); m != nil {
		return "the ACME server answers " + m[1] + ": " + challengeURL.ReplaceAllString(m[2], "the challenge's address")
	}
	if m := wrongStatus.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("the domain answers with status %s, so it leads to another server or Ingress", m[1])
	}
	if strings.Contains(reason, "did not get expected response") {
		return "the domain answers with another page, so it leads to another server or Ingress"
	}
	if m := lookedUp.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("the name %s does not resolve", m[1])
	}
	if m := dialed.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("the domain's address %s cannot be reached: %s", m[1], m[2])
	}
	if strings.Contains(reason, "context deadline exceeded") || strings.Contains(reason, "Client.Timeout") {
		return "the domain does not answer in time"
	}
	return reason
}

// notSeen is of pkg/issuer/acme/dns/dns.go, Check.
const notSeen = "not yet propagated"

func wordDNS(ch step) string {
	reason := waitingFor.ReplaceAllString(ch.Status.Reason, "")
	switch {
	case problem.MatchString(reason):
		m := problem.FindStringSubmatch(reason)
		return "the ACME server answers " + m[1] + ": " + m[2]
	case strings.Contains(reason, notSeen):
		return "the record is set, and the name servers that cert-manager asks do not show it"
	case ch.Status.Presented:
		return reason
	}
	if m := lookedUp.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("the record cannot be set: the provider's name %s does not resolve", m[1])
	}
	if m := dialed.FindStringSubmatch(reason); m != nil {
		return fmt.Sprintf("the record cannot be set: the provider's address %s cannot be reached: %s", m[1], m[2])
	}
	return "the record cannot be set: " + reason
}

func dnsFixes(p *analyzers.Pass, i issuance, ch step) []analyzers.Fix {
	look := analyzers.Fix{
		Why:  "Look for the record at the zone's own servers",
		Argv: []string{"dig", "+trace", "TXT", "_acme-challenge." + strings.TrimPrefix(ch.Spec.DNSName, "*.")},
	}
	if ch.Status.Presented || i.issuer.Name == "" {
		return []analyzers.Fix{look}
	}
	return []analyzers.Fix{
		{Why: "Check the provider, the zone and the Secret with its credentials in the issuer's solver", Argv: p.Kubectl(i.issuer.Namespace, "get", i.issuer.Short(), "-o", "yaml")},
		look,
	}
}
