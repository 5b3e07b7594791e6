package scaling

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MetricsServer finds a metrics API that is missing or down.
var MetricsServer = &analyzers.Analyzer{
	Name: "scaling/metrics-server",
	Doc: `a metrics API that is missing, down, or does not reach the kubelets

A cluster without the metrics API is well as long as no autoscaler asks for it. One that
has it registered and down is not: kubectl top fails, and so do autoscalers. An APIService
that is unavailable while metrics-server starts is silent.`,
	Needs: []schema.GroupKind{cluster.APIServices, cluster.Services, cluster.Pods, cluster.Nodes, cluster.Autoscalers, cluster.Events},
	Emits: []analyzers.Code{metricsServerDown},
	Run:   metricsServer,
}

func metricsServer(p *analyzers.Pass) error {
	api := apiOf(p.Snapshot, resourceGroup)
	scrapes := scrapeFailures(p.Snapshot)
	switch {
	case !api.exists:
		if hpa, c, ok := askedInVain(p); ok {
			reportMissing(p, api, hpa, c)
		}
	case len(scrapes) > 0 && (api.broken(p.Snapshot) || api.up()):
		reportScrape(p, api, scrapes)
	case api.broken(p.Snapshot):
		reportDown(p, api)
	}
	return nil
}

// askedInVain returns an autoscaler that asks for metrics of a group that no server has.
// The API server says 404 then, and 503 where the group is registered and down.
func askedInVain(p *analyzers.Pass) (*autoscalingv2.HorizontalPodAutoscaler, complaint, bool) {
	for hpa := range cluster.All[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		c, ok := complaintOf(p.Snapshot, hpa)
		if ok && c.forResource() && notServed(c) && c.since > resync {
			return hpa, c, true
		}
	}
	return nil, complaint{}, false
}

func notServed(c complaint) bool {
	return strings.Contains(c.text, "the server could not find the requested resource (get pods.metrics.k8s.io)")
}

func reportMissing(p *analyzers.Pass, api metricsAPI, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint) {
	f := analyzers.Finding{
		Code: metricsServerDown, Subject: api.ref,
		Affected: []analyzers.Ref{cluster.RefOf(hpa)},
		Summary:  "The metrics API is not installed: no APIService serves metrics.k8s.io, so autoscalers get no CPU or memory use",
		Evidence: []analyzers.Evidence{c.proof},
		Fixes: []analyzers.Fix{{
			Why:  "Install metrics-server",
			Argv: p.Kubectl("", "apply", "-f", "https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml"),
		}},
	}
	if api.absent {
		f.Evidence = append([]analyzers.Evidence{api.proof()}, f.Evidence...)
	}
	report(p, f)
}

func reportScrape(p *analyzers.Pass, api metricsAPI, scrapes []scrape) {
	first := scrapes[0]
	workload := p.Root(first.pod)
	f := analyzers.Finding{
		Code: metricsServerDown, Severity: analyzers.Warning, Subject: workload,
		Summary:  fmt.Sprintf("%s cannot read the metrics of node %s: %s", workload.Name, first.node, first.why()),
		Evidence: []analyzers.Evidence{first.proof()},
		Fixes:    first.fixes(p, workload),
	}
	if len(scrapes) > 1 {
		f.Summary = fmt.Sprintf("%s cannot read the metrics of node %s and others: %s", workload.Name, first.node, first.why())
	}
	for _, s := range scrapes {
		f.Affected = append(f.Affected, analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: s.node})
	}
	if !api.up() { // with no node measured it is not ready and serves nothing
		f.Severity = severity(p)
		f.Evidence = append(f.Evidence, api.proof())
	}
	report(p, f)
}

// severity is that of an outage: without autoscalers only kubectl top suffers.
func severity(p *analyzers.Pass) analyzers.Severity {
	for hpa := range cluster.All[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		for _, m := range hpa.Spec.Metrics {
			if m.Type == autoscalingv2.ResourceMetricSourceType || m.Type == autoscalingv2.ContainerResourceMetricSourceType {
				return analyzers.Error
			}
		}
	}
	return analyzers.Warning
}

// reportDown tells which link of the way from the API server to metrics-server is broken,
// by the objects as they are; the APIService's reasons are those of k8s.io/kube-aggregator
// pkg/controllers/status/remote/remote_available_controller.go.
func reportDown(p *analyzers.Pass, api metricsAPI) {
	f := analyzers.Finding{Code: metricsServerDown, Severity: severity(p), Subject: api.ref, Evidence: []analyzers.Evidence{api.proof()}}
	service := api.service.Namespace + "/" + api.service.Name
	b, ok := backendOf(p.Snapshot, api)
	why, unready := b.unready(p.Snapshot)
	switch {
	case !ok && (api.available.Reason == "ServiceNotFound" || p.Sees(cluster.Services, api.service.Namespace)):
		f.Summary = fmt.Sprintf("The metrics API is down: its Service %s does not exist", service)
		f.CausedBy = []analyzers.Ref{api.service}
		f.Fixes = []analyzers.Fix{{
			Why:  "Install metrics-server again, or, if it is meant to be gone, remove the APIService that it left behind",
			Argv: p.Kubectl("", "apply", "-f", "https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml"),
		}}
	case ok && scaledToZero(b):
		f.Subject = b.workload
		f.Summary = fmt.Sprintf("The metrics API is down: %s is scaled to 0", b.workload)
		f.Evidence = append([]analyzers.Evidence{{Source: b.workload.String(), Path: "spec.replicas", Quote: "replicas: 0"}}, f.Evidence...)
		f.Fixes = []analyzers.Fix{{Why: "Start metrics-server again", Argv: p.Kubectl(b.workload.Namespace, "scale", b.workload.Short(), "--replicas=1")}}
	case ok && len(b.service.Spec.Selector) > 0 && len(b.pods) == 0:
		f.Summary = fmt.Sprintf("The metrics API is down: Service %s has no pod", service)
		f.CausedBy = []analyzers.Ref{api.service}
		f.Fixes = []analyzers.Fix{{Why: "Show what should run behind it", Argv: p.Kubectl(api.service.Namespace, "describe", "service", api.service.Name)}}
	case ok && len(b.pods) > 0 && unready:
		f.Summary = fmt.Sprintf("The metrics API is down: no pod of %s is ready, as %s", b.workload, why)
		f.Affected = []analyzers.Ref{cluster.RefOf(b.pods[0])}
		f.CausedBy = []analyzers.Ref{b.workload, api.service}
		f.Fixes = []analyzers.Fix{{Why: "Show what metrics-server says", Argv: p.Kubectl(b.workload.Namespace, "logs", b.workload.Short(), "--tail=50")}}
	default:
		f.Summary = "The API server gets no answer from the metrics API: " + shortened(api.available.Message)
		f.CausedBy = []analyzers.Ref{api.service}
		f.Fixes = []analyzers.Fix{{Why: "Look at the way from the API server to the Service: network policies, firewall, hostNetwork, the certificate", Argv: p.Kubectl("", "describe", "apiservice", api.ref.Name)}}
	}
	report(p, f)
}

// shortened leaves out of a discovery error the address that it names twice:
// failing or missing response from https://10.0.1.2:443/apis/...: Get "https://...": dial tcp ...
func shortened(message string) string {
	rest := strings.TrimPrefix(message, "failing or missing response from ")
	if i := strings.Index(rest, `": `); i >= 0 && strings.Contains(rest[:i], `: Get "`) {
		return rest[i+len(`": `):]
	}
	return rest
}

func scaledToZero(b backend) bool {
	if b.object == nil || len(b.pods) > 0 {
		return false
	}
	n, ok := cluster.Replicas(b.object)
	return ok && n == 0
}
