package scaling

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// window is how far back rescales are counted.
	window = 30 * time.Minute
	// lately is how fresh the last one must be for the flapping to go on.
	lately = 10 * time.Minute
	// often is how many times it must go each way. One peak is once up and once down, two
	// peaks twice.
	often = 3
)

// rescaleWords are the controller's (k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go).
var rescaleWords = regexp.MustCompile(`^New size: (\d+); reason: (.*)$`)

// rescales counts how often an autoscaler scaled within the window, by its reason. Events
// with the same text are one object with a count, of which only the last and, if the
// first is in the window, all are known to lie in it.
type rescales struct {
	up, down, below, above int
	last                   *corev1.Event
	sizes                  map[int32]bool // that it set
}

func rescalesOf(s *cluster.Snapshot, hpa *autoscalingv2.HorizontalPodAutoscaler) rescales {
	r := rescales{sizes: map[int32]bool{}}
	for _, ev := range s.EventsFor(hpa) {
		m := rescaleWords.FindStringSubmatch(ev.Message)
		if ev.Reason != "SuccessfulRescale" || m == nil {
			continue
		}
		size, _ := strconv.ParseInt(m[1], 10, 32)
		r.sizes[int32(size)] = true
		n := within(s, ev)
		if n == 0 {
			continue
		}
		switch m[2] {
		case "All metrics below target":
			r.down += n
		case "Current number of replicas below Spec.MinReplicas":
			r.below += n
		case "Current number of replicas above Spec.MaxReplicas":
			r.above += n
		default:
			r.up += n
		}
		if r.last == nil || !cluster.EventTime(ev).Before(cluster.EventTime(r.last)) {
			r.last = ev
		}
	}
	return r
}

// within is how often an event happened in the window, at least.
func within(s *cluster.Snapshot, ev *corev1.Event) int {
	switch {
	case s.Since(cluster.EventTime(ev)) > window:
		return 0
	case !ev.FirstTimestamp.IsZero() && s.Since(ev.FirstTimestamp.Time) <= window:
		return int(cluster.EventCount(ev))
	}
	return 1
}

// flapping is about an autoscaler that goes up and down and up again.
func flapping(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) bool {
	r := rescalesOf(p.Snapshot, hpa)
	if r.up < often || r.down < often || p.Since(cluster.EventTime(r.last)) > lately {
		return false
	}
	f.Summary = fmt.Sprintf("Autoscaler %s flaps: in the last %d minutes it scaled up %d times and down %d times", hpa.Name, int(window.Minutes()), r.up, r.down)
	f.Evidence = []analyzers.Evidence{eventProof(hpa, r.last)}
	steady := int32(300) // the default (k8s.io/kubernetes pkg/apis/autoscaling/v2/defaults.go)
	if b := hpa.Spec.Behavior; b != nil && b.ScaleDown != nil && b.ScaleDown.StabilizationWindowSeconds != nil {
		now := *b.ScaleDown.StabilizationWindowSeconds
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(hpa).String(), Path: "spec.behavior.scaleDown.stabilizationWindowSeconds", Quote: fmt.Sprintf("stabilizationWindowSeconds: %d", now)})
		if now >= steady {
			steady = now * 2
		}
	} else {
		steady = 900
	}
	f.Fixes = []analyzers.Fix{
		{
			Why:  fmt.Sprintf("Let it scale down only to what was enough for %d seconds", steady),
			Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "merge", "-p", fmt.Sprintf(`{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":%d}}}}`, min(steady, 3600))),
		},
		edit(p, hpa, "Or scale on a metric that follows the load and not the start of the pods"),
	}
	return true
}
