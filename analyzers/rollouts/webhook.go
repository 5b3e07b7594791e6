package rollouts

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Webhook finds pods that are not created because an admission webhook cannot be asked.
var Webhook = &analyzers.Analyzer{
	Name:  "rollouts/webhook",
	Doc:   `admission webhooks that cannot be called and keep pods from being created`,
	Needs: slices.Concat(refusalKinds, webhookKinds),
	Emits: []analyzers.Code{webhookDown, webhookSlow, webhookUntrusted},
	Run:   reportCauses(webhookCause),
}

var webhookKinds = []schema.GroupKind{cluster.ValidatingWebhooks, cluster.MutatingWebhooks, cluster.Services, cluster.Pods}

// webhookWords are of k8s.io/apiserver pkg/util/webhook/error.go and
// pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go; what follows the
// address is the error of the connection, or of pkg/util/proxy/proxy.go.
var webhookWords = regexp.MustCompile(`failed calling webhook "([^"]+)": (?:failed to call webhook: )?(?:Post "([^"]+)": )?(.*)$`)

// A caller is a configuration that has the API server call a webhook.
type caller struct {
	ref    analyzers.Ref
	index  int // of the webhook in it
	policy *admissionv1.FailurePolicyType
	client admissionv1.WebhookClientConfig
}

func webhookCause(p *analyzers.Pass, r refusal) *cause {
	m := webhookWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	name, address, failure := m[1], m[2], m[3]
	c := newCause(failureCode(failure), r)
	c.word = fmt.Sprintf("admission webhook %s cannot be called", name)
	c.Summary = analyzers.Line(fmt.Sprintf("Admission webhook %s cannot be called: %s", name, failure), 160)
	callers := callersOf(p.Snapshot, name)
	c.gone = len(callers) == 0 && p.Sees(cluster.ValidatingWebhooks, "") && p.Sees(cluster.MutatingWebhooks, "") ||
		len(callers) > 0 && !slices.ContainsFunc(callers, func(x caller) bool { return x.policy == nil || *x.policy == admissionv1.Fail })
	service, exists, ready := backend(p.Snapshot, callers, address)
	// A refused connection to a ready pod is still refused: its port is wrong.
	if ready && (strings.Contains(failure, "no endpoints available") || strings.Contains(failure, "not found")) {
		c.gone = true
	}
	if service.Name != "" {
		c.CausedBy = append(c.CausedBy, service)
		c.Shared = fmt.Sprintf("Service %s/%s of admission webhook %s cannot be called: %s", service.Namespace, service.Name, name, analyzers.Line(failure, 80))
		quote := "has no ready pod"
		switch {
		case !exists && p.Sees(cluster.Services, service.Namespace):
			quote = "does not exist"
		case ready:
			quote = "has a ready pod"
		case !exists:
			quote = "cannot be read"
		}
		c.Evidence = append(c.Evidence, analyzers.Evidence{Source: service.String(), Path: "backend of the webhook", Quote: quote})
		c.Fixes = append(c.Fixes, analyzers.Fix{Why: "Show the Service behind the webhook and its endpoints", Argv: p.Kubectl(service.Namespace, "describe", "service", service.Name)})
	}
	for _, x := range callers {
		c.CausedBy = append(c.CausedBy, x.ref)
		c.Evidence = append(c.Evidence, analyzers.Evidence{Source: x.ref.String(), Path: fmt.Sprintf("webhooks[%d].failurePolicy", x.index), Quote: policyText(x)})
		c.Fixes = append(c.Fixes, analyzers.Fix{
			Why: "Let requests pass unchecked until the webhook answers again",
			Argv: p.Kubectl("", "patch", strings.ToLower(x.ref.Kind), x.ref.Name, "--type", "json", "-p",
				fmt.Sprintf(`[{"op":"replace","path":"/webhooks/%d/failurePolicy","value":"Ignore"}]`, x.index)),
		})
	}
	return c
}

// failureCode sorts the errors of Go's net, net/http and crypto/x509.
func failureCode(failure string) analyzers.Code {
	switch {
	case strings.Contains(failure, "x509:") || strings.Contains(failure, "tls:"):
		return webhookUntrusted
	case strings.Contains(failure, "context deadline exceeded") || strings.Contains(failure, "Client.Timeout") || strings.Contains(failure, "i/o timeout"):
		return webhookSlow
	}
	return webhookDown
}

func callersOf(s *cluster.Snapshot, name string) []caller {
	var out []caller
	for cfg := range cluster.All[*admissionv1.ValidatingWebhookConfiguration](s) {
		for i, w := range cfg.Webhooks {
			if w.Name == name {
				out = append(out, caller{cluster.RefOf(cfg), i, w.FailurePolicy, w.ClientConfig})
			}
		}
	}
	for cfg := range cluster.All[*admissionv1.MutatingWebhookConfiguration](s) {
		for i, w := range cfg.Webhooks {
			if w.Name == name {
				out = append(out, caller{cluster.RefOf(cfg), i, w.FailurePolicy, w.ClientConfig})
			}
		}
	}
	return out
}

// backend is the Service that answers for a webhook: as configured, or as the API server
// called it, https://service.namespace.svc:443/path.
func backend(s *cluster.Snapshot, callers []caller, address string) (ref analyzers.Ref, exists, ready bool) {
	var namespace, name string
	for _, c := range callers {
		if svc := c.client.Service; svc != nil {
			namespace, name = svc.Namespace, svc.Name
		}
	}
	if u, err := url.Parse(address); name == "" && err == nil {
		if parts := strings.Split(u.Hostname(), "."); len(parts) == 3 && parts[2] == "svc" {
			name, namespace = parts[0], parts[1]
		}
	}
	if name == "" {
		return analyzers.Ref{}, false, false
	}
	ref = analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: namespace, Name: name}
	svc, exists := cluster.Find[*corev1.Service](s, namespace, name)
	if exists {
		ready = slices.ContainsFunc(s.PodsWith(namespace, svc.Spec.Selector), cluster.PodReady)
	}
	return ref, exists, ready
}

func policyText(c caller) string {
	if c.policy == nil {
		return "Fail" // the API's default
	}
	return string(*c.policy)
}
