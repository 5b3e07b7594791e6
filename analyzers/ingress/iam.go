package ingress

import (
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CloudDenied finds Ingresses and Gateways whose controller the cloud refuses.
var CloudDenied = &analyzers.Analyzer{
	Name: "ingress/cloud-denied",
	Doc: `Ingresses and Gateways whose controller lacks a permission in the cloud

The controller writes the cloud's own words into an event. Of LoadBalancer Services the
same is reported as svc-lb-pending.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.Gateways, cluster.Events},
	Emits: []analyzers.Code{iamDenied},
	Run:   cloudDenied,
}

// deniedFor is how long an event speaks for the present: a controller tries again at
// least every 16 minutes (controller-runtime's longest back-off is 1000 s).
const deniedFor = 20 * time.Minute

// denials are the words of the clouds. AWS: "AccessDenied: User: arn:aws:sts::1:assumed-role/r
// is not authorized to perform: elasticloadbalancing:CreateLoadBalancer", "UnauthorizedOperation:
// You are not authorized to perform this operation" (docs.aws.amazon.com, EC2 API error
// codes), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"; Google:
// "googleapi: Error 403: Required 'compute.forwardingRules.create' permission for ...";
// Azure: "AuthorizationFailed: The client 'x' with object id 'x' does not have authorization to
// perform action 'Microsoft.Network/...'" (learn.microsoft.com, Azure Resource Manager
// common deployment errors).
var denials = []*regexp.Regexp{
	regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)`),
	regexp.MustCompile(`(?:UnauthorizedOperation|AccessDenied(?:Exception)?): ()`),
	regexp.MustCompile(`Error 403: Required '([a-zA-Z0-9.]+)' permission`),
	regexp.MustCompile(`googleapi: Error 403: ()`),
	regexp.MustCompile(`AuthorizationFailed.*?perform action '([^']+)'`),
	regexp.MustCompile(`does not have authorization to perform action '([^']+)'`),
}

// denial tells which action a cloud refuses; action is empty when it does not say.
func denial(msg string) (action string, denied bool) {
	for _, re := range denials {
		if m := re.FindStringSubmatch(msg); m != nil {
			return m[1], true
		}
	}
	return "", false
}

func cloudDenied(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		reportDenied(p, in)
	}
	for gateway := range cluster.ScopedOf(p.Snapshot, cluster.Gateways) {
		reportDenied(p, gateway)
	}
	return nil
}

func reportDenied(p *analyzers.Pass, o cluster.Object) {
	// A success after the refusal is the newer word.
	ev, ok := p.LastEvent(o, controllerEvent)
	if !ok || ev.Type != corev1.EventTypeWarning || o.GetDeletionTimestamp() != nil && p.Since(o.GetDeletionTimestamp().Time) < time.Minute {
		return
	}
	action, denied := denial(ev.Message)
	if !denied || p.Since(cluster.EventTime(ev)) > deniedFor {
		return
	}
	f := analyzers.Finding{
		Code:     iamDenied,
		Subject:  cluster.RefOf(o),
		Summary:  "Cloud refuses its controller an action: " + analyzers.Line(plainError(ev.Message), 110),
		Evidence: []analyzers.Evidence{analyzers.EventEvidence(cluster.RefOf(o), ev)},
		Fixes: []analyzers.Fix{{
			Why:  "Show all that the controller says of it; the permission is to be granted to its role in the cloud",
			Argv: p.Kubectl(o.GetNamespace(), "describe", cluster.RefOf(o).Short()),
		}},
	}
	if action != "" {
		f.Summary = "Cloud refuses its controller the action " + action
		f.Fixes[0].Why = "Show all that the controller says of it; grant the controller's role the action " + action
	}
	// What one controller lacks stops all its load balancers alike.
	f.CausedBy = []analyzers.Ref{{Kind: "CloudController", Name: or(ev.Source.Component, ev.ReportingController)}}
	if f.CausedBy[0].Name == "" {
		f.CausedBy = nil
	} else {
		f.Shared = "Cloud refuses controller " + f.CausedBy[0].Name + " what it needs for its load balancers"
	}
	p.Report(f)
}
