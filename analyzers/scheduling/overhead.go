package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// overheadFinding is about a pod whose own containers would fit: what does not is the
// overhead of its RuntimeClass, or a container that a webhook has added.
func (q *inquiry) overheadFinding() (analyzers.Finding, bool) {
	ref := cluster.RefOf(q.pod).String()
	if len(q.pod.Spec.Overhead) > 0 {
		plain := q.pod.DeepCopy()
		plain.Spec.Overhead = nil
		if q.fits(plain) {
			class := "its RuntimeClass"
			if q.pod.Spec.RuntimeClassName != nil {
				class = "RuntimeClass " + *q.pod.Spec.RuntimeClassName
			}
			over := resourcesText(q.pod.Spec.Overhead)
			return analyzers.Finding{
				Code:     podOverhead,
				Summary:  fmt.Sprintf("Its containers would fit, but the overhead of %s (%s) makes the pod too large for every node", class, over),
				Evidence: append([]analyzers.Evidence{{Source: ref, Path: "spec.overhead", Quote: over}}, q.roomEvidence()),
				Fixes:    []analyzers.Fix{{Why: fmt.Sprintf("Lower the requests by the overhead (%s), or add a larger node", over)}},
			}, true
		}
	}
	added := q.injected()
	if len(added) == 0 {
		return analyzers.Finding{}, false
	}
	plain := q.pod.DeepCopy()
	drop := func(c corev1.Container) bool { return slices.Contains(added, c.Name) }
	plain.Spec.Containers = slices.DeleteFunc(plain.Spec.Containers, drop)
	plain.Spec.InitContainers = slices.DeleteFunc(plain.Spec.InitContainers, drop)
	if !q.fits(plain) {
		return analyzers.Finding{}, false
	}
	var texts []string
	for _, c := range cluster.Containers(&q.pod.Spec) {
		if slices.Contains(added, c.Name) && len(c.Resources.Requests) > 0 {
			texts = append(texts, c.Name+" "+resourcesText(c.Resources.Requests))
		}
	}
	return analyzers.Finding{
		Code:     podOverhead,
		Summary:  fmt.Sprintf("Its own containers would fit, but a container added at admission makes the pod too large for every node: %s", strings.Join(texts, "; ")),
		Evidence: append([]analyzers.Evidence{{Source: ref, Path: "spec.containers[*].resources.requests", Quote: "requests: " + strings.Join(texts, "; ")}}, q.roomEvidence()),
		Fixes:    []analyzers.Fix{{Why: "Lower the requests of the added container in the configuration of what adds it"}},
	}, true
}

func (q *inquiry) fits(pod *corev1.Pod) bool {
	return len(q.ev.evaluate(q.ev.request(pod, nil)).Fits()) > 0
}

// injected are containers that the workload's template does not have.
func (q *inquiry) injected() []string {
	if q.owner == nil {
		return nil
	}
	t, ok := cluster.Template(q.owner)
	if !ok || len(t.Spec.Containers) == 0 {
		return nil
	}
	var out []string
	for _, c := range cluster.Containers(&q.pod.Spec) {
		if _, _, ok := cluster.Container(&t.Spec, c.Name); !ok {
			out = append(out, c.Name)
		}
	}
	return out
}

func (q *inquiry) roomEvidence() analyzers.Evidence {
	best := q.nearest(byRoom)
	return analyzers.Evidence{Source: nodeRef(best.Node).String(), Path: "status.allocatable", Quote: best.of(byRoom)[0].Reason}
}

func resourcesText(list corev1.ResourceList) string {
	var out []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if q, ok := list[name]; ok {
			out = append(out, string(name)+" "+q.String())
		}
	}
	return strings.Join(out, ", ")
}
