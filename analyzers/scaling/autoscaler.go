package scaling

import (
	"regexp"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// firstMetrics is how long a new or restarted workload may go without metrics: the
	// kubelet and metrics-server each measure over a window (15 s and more) and the
	// autoscaler leaves out pods that are just starting.
	firstMetrics = 3 * time.Minute
	// resync is within how long an autoscaler looks again, several times over.
	resync = time.Minute
)

// A complaint is what an autoscaler says of the first of its metrics that fails.
type complaint struct {
	reason string // FailedGetResourceMetric
	text   string
	since  time.Duration
	proof  analyzers.Evidence
	// partly: other metrics work, so that the autoscaler scales up and never down
	// (k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go, computeReplicasForMetrics).
	partly bool
}

// frame begins the message of a condition (getUnableComputeReplicaCountCondition there).
const frame = "the HPA was unable to compute the replica count: "

// complaintOf returns what an autoscaler cannot read. While it cannot read its target's
// scale, what else it says is old.
func complaintOf(s *cluster.Snapshot, hpa *autoscalingv2.HorizontalPodAutoscaler) (complaint, bool) {
	if hpa.DeletionTimestamp != nil {
		return complaint{}, false
	}
	able, active := condition(hpa, autoscalingv2.AbleToScale), condition(hpa, autoscalingv2.ScalingActive)
	if active == nil || able != nil && able.Status == corev1.ConditionFalse {
		return complaint{}, false
	}
	if active.Status == corev1.ConditionFalse {
		return complaint{
			reason: active.Reason,
			text:   strings.TrimPrefix(active.Message, frame),
			since:  s.Since(active.LastTransitionTime.Time),
			proof:  conditionProof(hpa, active),
		}, true
	}
	return partComplaint(s, hpa)
}

// partComplaint is about one metric of several. The status then holds an entry without a
// type in its place, and the newest event has the words.
func partComplaint(s *cluster.Snapshot, hpa *autoscalingv2.HorizontalPodAutoscaler) (complaint, bool) {
	failing := slices.IndexFunc(hpa.Status.CurrentMetrics, func(m autoscalingv2.MetricStatus) bool { return m.Type == "" })
	if failing < 0 || failing >= len(hpa.Spec.Metrics) || len(hpa.Spec.Metrics) < 2 {
		return complaint{}, false
	}
	spec := hpa.Spec.Metrics[failing]
	ev, ok := s.LastEvent(hpa, func(ev *corev1.Event) bool {
		return strings.Contains(ev.Message, metricName(spec)) && s.Since(cluster.EventTime(ev)) < eventsPause
	}, "FailedGet"+string(spec.Type)+"Metric")
	if !ok {
		return complaint{}, false
	}
	return complaint{reason: ev.Reason, text: strings.TrimPrefix(ev.Message, frame), since: s.Since(ev.FirstTimestamp.Time), proof: eventProof(hpa, ev), partly: true}, true
}

// metricName is what a metric is called in the controller's messages.
func metricName(m autoscalingv2.MetricSpec) string {
	switch {
	case m.Pods != nil:
		return m.Pods.Metric.Name
	case m.Object != nil:
		return m.Object.Metric.Name
	case m.External != nil:
		return m.External.Metric.Name
	case m.Resource != nil:
		return string(m.Resource.Name)
	case m.ContainerResource != nil:
		return string(m.ContainerResource.Name)
	}
	return ""
}

// eventsPause is how far apart the events about one object may be although what they tell
// happens every 15 s: a client sends 25 and then one in 5 minutes (k8s.io/client-go
// tools/record/events_cache.go, defaultSpamQPS).
const eventsPause = 12 * time.Minute

func condition(hpa *autoscalingv2.HorizontalPodAutoscaler, t autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range hpa.Status.Conditions {
		if hpa.Status.Conditions[i].Type == t {
			return &hpa.Status.Conditions[i]
		}
	}
	return nil
}

func conditionProof(hpa *autoscalingv2.HorizontalPodAutoscaler, c *autoscalingv2.HorizontalPodAutoscalerCondition) analyzers.Evidence {
	return analyzers.Evidence{
		Source: cluster.RefOf(hpa).String(), Path: "status.conditions[" + string(c.Type) + "]",
		Quote: analyzers.Quote(string(c.Status) + " " + c.Reason + ": " + c.Message), At: c.LastTransitionTime.Time,
	}
}

func eventProof(o cluster.Object, ev *corev1.Event) analyzers.Evidence {
	return analyzers.EventEvidence(cluster.RefOf(o), ev)
}

// target names what an autoscaler scales.
func target(hpa *autoscalingv2.HorizontalPodAutoscaler) analyzers.Ref {
	t := hpa.Spec.ScaleTargetRef
	return analyzers.Ref{APIVersion: t.APIVersion, Kind: t.Kind, Namespace: hpa.Namespace, Name: t.Name}
}

// targetOf is the workload that an autoscaler scales, if it is one of the kinds of
// Kubernetes that people scale.
func targetOf(s *cluster.Snapshot, hpa *autoscalingv2.HorizontalPodAutoscaler) (cluster.Object, bool) {
	t := target(hpa)
	switch t.GroupKind() {
	case cluster.Deployments, cluster.StatefulSets:
		return s.Get(t)
	}
	return nil, false
}

// minReplicas is the lower bound, one by default.
func minReplicas(hpa *autoscalingv2.HorizontalPodAutoscaler) int32 {
	if hpa.Spec.MinReplicas == nil {
		return 1
	}
	return *hpa.Spec.MinReplicas
}

// forResource reports whether a complaint is about CPU or memory, which the metrics API
// serves, and not about a metric of an adapter.
func (c complaint) forResource() bool {
	return c.reason == "FailedGetResourceMetric" || c.reason == "FailedGetContainerResourceMetric"
}

// stops ends a sentence about a metric that fails with what follows from it.
func (c complaint) stops() string {
	if c.partly {
		return "so it never scales down"
	}
	return "so it does not scale"
}

var resourceWord = regexp.MustCompile(`failed to get (\S+) (?:resource |container )?(?:utilization|usage|metric)`)

// resource is the resource that a complaint is about: "CPU", "memory".
func (c complaint) resource() string {
	if m := resourceWord.FindStringSubmatch(c.text); m != nil {
		return resourceName(m[1])
	}
	return "resource"
}

func resourceName(name string) string {
	if name == "cpu" {
		return "CPU"
	}
	return name
}

// report bounds the summary to a line: names may be long, and so are other programs' words.
func report(p *analyzers.Pass, f analyzers.Finding) {
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	p.Report(f)
}

// edit opens the autoscaler, where no command can know the value.
func edit(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, why string) analyzers.Fix {
	return analyzers.Fix{Why: why, Argv: p.Kubectl(hpa.Namespace, "edit", "horizontalpodautoscaler", hpa.Name)}
}
