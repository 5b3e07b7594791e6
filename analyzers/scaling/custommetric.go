package scaling

import (
	"fmt"
	"regexp"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CustomMetric finds custom and external metrics that no adapter serves.
var CustomMetric = &analyzers.Analyzer{
	Name: "scaling/custom-metric",
	Doc: `custom and external metrics that autoscalers ask for and no adapter serves

It tells an API that nobody serves from an adapter that is down, and both from a metric
that the adapter does not know or has no samples of. While other metrics of the same
autoscaler work it scales up and never down, which is a warning.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.APIServices, cluster.Services, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{noCustomMetric},
	Run:   runCustomMetric,
}

// customGroups are the groups by the reason that the controller gives.
var customGroups = map[string]string{
	"FailedGetPodsMetric":     customGroup,
	"FailedGetObjectMetric":   customGroup,
	"FailedGetExternalMetric": externalGroup,
}

// The controller's words (k8s.io/kubernetes pkg/controller/podautoscaler/replica_calculator.go):
// "unable to get metric NAME[ on KIND NAMESPACE/NAME]: …" and "unable to get external metric NAMESPACE/NAME/SELECTOR: …".
// The adapter's are those of sigs.k8s.io/custom-metrics-apiserver pkg/provider/errors.go.
var (
	metricWords   = regexp.MustCompile(`unable to get metric (\S+?)(?: on (\S+ \S+?))?: (.*)$`)
	externalWords = regexp.MustCompile(`unable to get external metric [^/]+/([^/]+)/&?LabelSelector\{.*?\},?\}: (.*)$`)
	anyExternal   = regexp.MustCompile(`unable to get external metric [^/]+/([^/]+)/.*?: (unable to fetch metrics.*|no metrics returned.*)$`)
)

func runCustomMetric(p *analyzers.Pass) error {
	used := map[string]bool{}
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		c, ok := complaintOf(p.Snapshot, hpa)
		if group := customGroups[c.reason]; ok && group != "" {
			used[group] = true
			customComplaint(p, hpa, c, apiOf(p.Snapshot, group))
		}
	}
	for _, group := range []string{customGroup, externalGroup} {
		if api := apiOf(p.Snapshot, group); used[group] && api.broken(p.Snapshot) {
			adapterDown(p, api)
		}
	}
	return nil
}

func customComplaint(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint, api metricsAPI) {
	metric, why := metricOf(c.text)
	if metric == "" || c.since < resync {
		return
	}
	kind := "custom"
	if api.group == externalGroup {
		kind = "external"
	}
	f := analyzers.Finding{Code: noCustomMetric, Subject: cluster.RefOf(hpa), Part: metric, Evidence: []analyzers.Evidence{c.proof}}
	if c.partly {
		f.Severity = analyzers.Warning
	}
	list := p.Kubectl("", "get", "--raw", "/apis/"+api.group+"/v1beta1")
	unserved := strings.Contains(why, "no custom metrics API (custom.metrics.k8s.io) registered") ||
		strings.Contains(why, "the server could not find the requested resource")
	switch {
	case api.broken(p.Snapshot):
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read metric %s: the adapter of %s is down, %s", hpa.Name, metric, api.group, c.stops())
		f.CausedBy = api.causes(p.Snapshot)
		f.Evidence = append(f.Evidence, api.proof())
	case api.exists && !api.up(), api.up() && p.Since(api.available.LastTransitionTime.Time) < firstMetrics:
		return // the adapter is being started
	case api.absent || !api.exists && unserved:
		f.Summary = fmt.Sprintf("Autoscaler %s asks for %s metric %s, and no adapter serves %s metrics here", hpa.Name, kind, metric, kind)
		f.CausedBy = []analyzers.Ref{api.ref}
		f.Shared = fmt.Sprintf("No adapter serves %s metrics: there is no APIService of %s", kind, api.group)
		if api.absent {
			f.Evidence = append(f.Evidence, api.proof())
		}
		f.Fixes = []analyzers.Fix{
			{Why: "Install an adapter that serves the metric (such as prometheus-adapter or KEDA), or list what is registered", Argv: p.Kubectl("", "get", "apiservices")},
			edit(p, hpa, "Or scale on a metric that the cluster has"),
		}
	case strings.Contains(why, "no metrics returned"), strings.Contains(why, "did not receive metrics"):
		if c.since < firstMetrics {
			return
		}
		f.Summary = fmt.Sprintf("The adapter has no samples of %s metric %s, which autoscaler %s needs, %s", kind, metric, hpa.Name, c.stops())
		f.Fixes = []analyzers.Fix{{Why: "List what the adapter serves, and check the labels that its query selects by", Argv: list}}
	case unserved, strings.Contains(why, "the server could not find the metric"):
		f.Summary = fmt.Sprintf("The adapter of %s does not know metric %s, which autoscaler %s needs, %s", api.group, metric, hpa.Name, c.stops())
		f.Fixes = []analyzers.Fix{
			{Why: "List what the adapter serves, and add a rule for the metric or correct its name", Argv: list},
			edit(p, hpa, "Or name a metric that is served"),
		}
	default:
		if c.since < firstMetrics {
			return
		}
		_, words, ok := strings.Cut(why, " metrics API: ")
		if !ok {
			words = why
		}
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read %s metric %s: %s", hpa.Name, kind, metric, words)
		f.Fixes = []analyzers.Fix{{Why: "Ask the adapter what it serves", Argv: list}}
	}
	report(p, f)
}

// metricOf is the metric that a complaint is about, and what is wrong with it.
func metricOf(text string) (name, why string) {
	for _, re := range []*regexp.Regexp{externalWords, anyExternal} {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1], m[2]
		}
	}
	if m := metricWords.FindStringSubmatch(text); m != nil {
		return m[1], m[3]
	}
	return "", ""
}

// adapterDown is about an adapter that is registered and does not answer.
func adapterDown(p *analyzers.Pass, api metricsAPI) {
	f := analyzers.Finding{
		Code: noCustomMetric, Subject: api.ref,
		Evidence: []analyzers.Evidence{api.proof()},
		CausedBy: []analyzers.Ref{api.service},
		Fixes:    []analyzers.Fix{{Why: "Show why the adapter does not answer", Argv: p.Kubectl("", "describe", "apiservice", api.ref.Name)}},
	}
	b, ok := backendOf(p.Snapshot, api)
	why, unready := b.unready(p.Snapshot)
	service := api.service.Namespace + "/" + api.service.Name
	switch {
	case !ok && (api.available.Reason == "ServiceNotFound" || p.Sees(cluster.Services, api.service.Namespace)):
		f.Summary = fmt.Sprintf("%s is down: its Service %s does not exist", api.group, service)
	case ok && len(b.pods) == 0 && len(b.service.Spec.Selector) > 0:
		f.Summary = fmt.Sprintf("%s is down: its Service %s has no pod", api.group, service)
	case ok && len(b.pods) > 0 && unready:
		f.Summary = fmt.Sprintf("%s is down: no pod of %s is ready, as %s", api.group, b.workload, why)
		f.CausedBy = append([]analyzers.Ref{b.workload}, f.CausedBy...)
	default:
		f.Summary = fmt.Sprintf("The API server gets no answer from %s: %s", api.group, shortened(api.available.Message))
	}
	report(p, f)
}
