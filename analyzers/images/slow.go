package images

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Slow reports images that are being pulled for very long, and pulls that the runtime
// gave up in the middle. A pull in progress says nothing of how far it is, and an image
// of some gigabytes takes minutes: until slowPull it is a note.
var Slow = &analyzers.Analyzer{
	Name:  "images/slow",
	Doc:   "images whose pull takes very long or was given up",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{slow},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, slow) {
			f.report(p, analyzers.Finding{
				Severity: analyzers.Error,
				Summary:  sentence(sayf("Pull of image %s was given up half-way: %s", short(f.image), plain(f.essence()))),
				Evidence: f.evidence(),
				Fixes:    append(f.rollback(p, ""), f.watch(p)),
			})
		}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if current(p, pod) && pod.Spec.NodeName != "" {
				reportPulling(p, pod)
			}
		}
		return nil
	},
}

const (
	longPull = time.Minute
	slowPull = 5 * time.Minute
)

func reportPulling(p *analyzers.Pass, pod *corev1.Pod) {
	for _, status := range cluster.ContainerStatuses(pod) {
		waiting := status.State.Waiting
		if waiting == nil || waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" {
			continue
		}
		c, _, ok := cluster.Container(&pod.Spec, status.Name)
		if !ok {
			continue
		}
		f := pull{pod: pod, container: status.Name, image: c.Image, path: "spec.containers[" + status.Name + "].image", code: slow}
		ev, ok := pulling(p, &f)
		if !ok {
			continue
		}
		age := p.Since(cluster.EventTime(ev))
		if age < longPull {
			continue
		}
		severity, minutes := slow.Severity, "1 minute"
		if age < slowPull {
			severity = analyzers.Info
		}
		if age >= 2*time.Minute {
			minutes = sayf("%d minutes", int(age.Minutes()))
		}
		f.report(p, analyzers.Finding{
			Severity: severity,
			Summary:  sentence(sayf("Image %s is still being pulled after %s", short(f.image), minutes)),
			Evidence: []analyzers.Evidence{
				{Source: "Event on " + cluster.RefOf(pod).String(), Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)},
				{Source: cluster.RefOf(pod).String(), Path: "spec.nodeName", Quote: pod.Spec.NodeName},
			},
			Fixes: []analyzers.Fix{f.watch(p)},
		})
	}
}

// pulling returns the event with which the container's present pull began: the newest
// about its image, with nothing after it.
func pulling(p *analyzers.Pass, f *pull) (*corev1.Event, bool) {
	ev, ok := p.LastEvent(f.pod, f.about, "Pulling", "Pulled", "Failed", "BackOff", "InspectFailed")
	return ev, ok && ev.Reason == "Pulling" && strings.HasPrefix(ev.Message, "Pulling image ")
}

func (f *pull) watch(p *analyzers.Pass) analyzers.Fix {
	return analyzers.Fix{
		Why:  "Show the pods of the node: by default it pulls one image after the other",
		Argv: p.Kubectl("", "get", "pods", "--all-namespaces", "--field-selector", "spec.nodeName="+f.pod.Spec.NodeName),
	}
}
