package termination

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// An eviction is a pod that the kubelet has put an end to.
type eviction struct {
	pod     *corev1.Pod
	message string
	at      time.Time
	proof   analyzers.Evidence

	code analyzers.Code
	what string // continues "Evicted: " or "Evicted from node x, which "
	own  bool   // for a limit of its own, not for the node's sake

	volume, container string // of an own limit
	limit             string
}

// The kubelet's words, k8s.io/kubernetes pkg/kubelet/eviction/helpers.go.
var (
	lowWords       = regexp.MustCompile(`The node was low on resource: ([\w.-]+)\.`)
	conditionWords = regexp.MustCompile(`The node had condition: \[([^\]]*)\]`)
	usingWords     = regexp.MustCompile(`(Container|Pod) (\S+) was using ([^,]+), request is ([^,]+), has larger consumption of ([\w.-]+)\.`)
	emptyDirWords  = regexp.MustCompile(`Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"`)
	containerWords = regexp.MustCompile(`Container (\S+) exceeded its local ephemeral storage limit "([^"]+)"`)
	podWords       = regexp.MustCompile(`Pod ephemeral local storage usage exceeds the total limit of containers ([^\s]+)\.`)
)

// evictionOf reads what the kubelet wrote. A program that ends well when asked to leaves
// its pod Succeeded and without a reason; only the event then tells of the eviction.
func evictionOf(s *cluster.Snapshot, pod *corev1.Pod) (eviction, bool) {
	if !cluster.PodFinished(pod) || pod.DeletionTimestamp != nil {
		return eviction{}, false
	}
	e := eviction{pod: pod, at: endOf(pod)}
	source := cluster.RefOf(pod).String()
	if pod.Status.Reason == "Evicted" {
		e.message = pod.Status.Message
		e.proof = analyzers.Evidence{Source: source, Path: "status.message", Quote: analyzers.QuoteHead("Evicted: " + strings.TrimSpace(e.message)), At: e.at}
	}
	if ev, ok := s.LastEvent(pod, nil, "Evicted"); ok {
		if e.message == "" {
			e.message = ev.Message
			e.proof = analyzers.Evidence{Source: "Event on " + source, Path: ev.Reason, Quote: analyzers.QuoteHead(strings.TrimSpace(ev.Message)), At: cluster.EventTime(ev)}
		}
		if e.at.IsZero() {
			e.at = cluster.EventTime(ev)
		}
	}
	return e, e.message != "" && e.read()
}

// endOf is when a pod ended. A container of which the kubelet lost track has no time of its
// end, but conditions have theirs.
func endOf(pod *corev1.Pod) time.Time {
	var latest time.Time
	for _, status := range cluster.ContainerStatuses(pod) {
		if end := status.State.Terminated; end != nil && end.FinishedAt.After(latest) {
			latest = end.FinishedAt.Time
		}
	}
	if c := cluster.PodCondition(pod, corev1.PodReady); latest.IsZero() && c != nil {
		latest = c.LastTransitionTime.Time
	}
	return latest
}

func (e *eviction) read() bool {
	e.code = evictedStorage
	if m := emptyDirWords.FindStringSubmatch(e.message); m != nil {
		e.own, e.volume, e.limit = true, m[1], m[2]
		e.what = fmt.Sprintf("emptyDir %s holds more than its sizeLimit of %s", m[1], amount(m[2]))
		return true
	}
	if m := containerWords.FindStringSubmatch(e.message); m != nil {
		e.own, e.container, e.limit = true, m[1], m[2]
		e.what = fmt.Sprintf("container %s uses more local storage than its limit of %s", m[1], amount(m[2]))
		return true
	}
	if m := podWords.FindStringSubmatch(e.message); m != nil {
		e.own, e.limit = true, m[1]
		e.what = fmt.Sprintf("its containers together use more local storage than their limits of %s", amount(m[1]))
		return true
	}
	resource := ""
	if m := lowWords.FindStringSubmatch(e.message); m != nil {
		resource = m[1]
	} else if m := conditionWords.FindStringSubmatch(e.message); m != nil {
		resource = m[1]
	}
	switch {
	case strings.Contains(resource, "emory"):
		e.code, e.what = evictedMemory, "ran out of memory"
	case strings.Contains(resource, "pids"), strings.Contains(resource, "PID"):
		e.code, e.what = evictedPIDs, "ran out of process IDs"
	case strings.Contains(resource, "inodes"):
		e.what = "ran out of inodes"
	case strings.Contains(resource, "storage"), strings.Contains(resource, "Disk"):
		e.what = "ran out of disk space"
	default:
		return false
	}
	// Several containers are listed; the one that took the most above its request is
	// reason enough to name it.
	if m := usingWords.FindStringSubmatch(e.message); m != nil {
		who := "it"
		if m[1] == "Container" {
			who = "container " + m[2]
		}
		e.container = m[2]
		e.what += fmt.Sprintf("; %s used %s and requests %s", who, m[3], m[4])
	}
	return true
}

// amount writes a quantity without a unit as what it is: bytes, where Mi or Gi was meant.
func amount(quantity string) string {
	if strings.Trim(quantity, "0123456789") == "" {
		return quantity + " bytes"
	}
	return quantity
}

// applies reports whether the limit that was exceeded is still the workload's.
func (e *eviction) applies(t *corev1.PodTemplateSpec) bool {
	switch {
	case e.volume != "":
		for _, v := range t.Spec.Volumes {
			if v.Name == e.volume {
				return v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil && v.EmptyDir.SizeLimit.String() == e.limit
			}
		}
		return false
	case e.container != "" && e.own:
		c, _, ok := cluster.Container(&t.Spec, e.container)
		if !ok {
			return false
		}
		q, ok := c.Resources.Limits[corev1.ResourceEphemeralStorage]
		return ok && q.String() == e.limit
	}
	return true
}
