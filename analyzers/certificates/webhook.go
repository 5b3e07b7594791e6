package certificates

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Webhook finds a webhook of cert-manager that cannot be called.
var Webhook = &analyzers.Analyzer{
	Name: "certificates/webhook",
	Doc: `cert-manager's own webhook, without which no certificate can be made or changed

It has no ready pod, or the API server was never given its CA. It is asked about objects
of cert-manager alone; the checks of webhooks that keep pods from being made do not see it.`,
	Needs: []schema.GroupKind{cluster.ValidatingWebhooks, cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{webhookDown},
	Run:   runWebhook,
}

// webhookName is of deploy/charts/cert-manager/templates/webhook-validating-webhook.yaml.
const webhookName = "webhook.cert-manager.io"

func runWebhook(p *analyzers.Pass) error {
	for c := range cluster.All[*admissionv1.ValidatingWebhookConfiguration](p.Snapshot) {
		for i, w := range c.Webhooks {
			if w.Name != webhookName || w.ClientConfig.Service == nil || w.FailurePolicy != nil && *w.FailurePolicy != admissionv1.Fail {
				continue
			}
			if f, ok := deadWebhook(p, c, i); ok {
				p.Report(f)
			}
		}
	}
	return nil
}

func deadWebhook(p *analyzers.Pass, c *admissionv1.ValidatingWebhookConfiguration, i int) (analyzers.Finding, bool) {
	to := c.Webhooks[i].ClientConfig.Service
	service := analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: to.Namespace, Name: to.Name}
	ref := cluster.RefOf(c)
	f := analyzers.Finding{Code: webhookDown, Subject: ref, CausedBy: []analyzers.Ref{service}}
	svc, exists := cluster.Find[*corev1.Service](p.Snapshot, to.Namespace, to.Name)
	var pods []*corev1.Pod
	if exists {
		pods = p.PodsWith(to.Namespace, svc.Spec.Selector)
	}
	starting := slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
		stage, _ := p.Unready(pod)
		return stage == cluster.Starting || stage == cluster.Late
	})
	switch {
	case !exists && p.Sees(cluster.Services, to.Namespace):
		f.Summary = fmt.Sprintf("Certificates cannot be made or changed: Service %s/%s of cert-manager's webhook does not exist", to.Namespace, to.Name)
		f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: fmt.Sprintf("webhooks[%d].clientConfig.service", i), Quote: to.Namespace + "/" + to.Name + ", failurePolicy: Fail"}}
		f.Fixes = []analyzers.Fix{{Why: "See what is left of cert-manager; after an uninstallation remove this configuration too", Argv: p.Kubectl(to.Namespace, "get", "deployments,services,pods")}}
	case exists && len(svc.Spec.Selector) > 0 && p.Sees(cluster.Pods, to.Namespace) && !starting && !slices.ContainsFunc(pods, cluster.PodReady):
		f.Summary = fmt.Sprintf("Certificates cannot be made or changed: cert-manager's webhook, Service %s/%s, has no ready pod", to.Namespace, to.Name)
		f.Evidence = []analyzers.Evidence{{Source: service.String(), Path: "backend of " + webhookName, Quote: "has no ready pod; failurePolicy: Fail"}}
		f.Fixes = []analyzers.Fix{{Why: "Show the pods of the webhook", Argv: p.Kubectl(to.Namespace, "get", "pods", "-l", selectorText(svc.Spec.Selector))}}
	// The configuration is created without a CA, and cainjector puts it in within seconds.
	case len(c.Webhooks[i].ClientConfig.CABundle) == 0 && injected(c) && p.Since(c.CreationTimestamp.Time) > settling*4:
		f.CausedBy = nil
		f.Summary = "Certificates cannot be made or changed: cainjector has not put the CA into the configuration of cert-manager's webhook"
		f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: fmt.Sprintf("webhooks[%d].clientConfig.caBundle", i), Quote: "caBundle: none"}}
		f.Fixes = []analyzers.Fix{{Why: "See whether cainjector runs, and what it says", Argv: p.Kubectl(to.Namespace, "logs", "deployment/cert-manager-cainjector", "--tail=50")}}
	default:
		return f, false
	}
	return f, true
}

// injected reports whether cainjector is to fill in the CA; without it the public CAs of
// the API server's host apply.
func injected(c *admissionv1.ValidatingWebhookConfiguration) bool {
	for key := range c.Annotations {
		if strings.HasPrefix(key, "cert-manager.io/inject-ca-from") {
			return true
		}
	}
	return false
}

func selectorText(selector map[string]string) string {
	var words []string
	for k, v := range selector {
		words = append(words, k+"="+v)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}
