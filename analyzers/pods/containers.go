package pods

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// pulledIn is how long a pull took with and without waiting for other pulls
// (k8s.io/kubernetes pkg/kubelet/images/image_manager.go, pullImage).
var pulledIn = regexp.MustCompile(`^Successfully pulled image "[^"]+" in \S+ \((\S+) including waiting\)`)

func (w *walk) images() Stage {
	var took time.Duration
	var done []string
	for _, status := range cluster.ContainerStatuses(w.pod) {
		image := status.Image
		if c, _, ok := cluster.Container(&w.pod.Spec, status.Name); ok {
			image = c.Image
		}
		if w.s.ContainerFault(w.pod, status) == cluster.ImageFault {
			return Stage{State: Blocked, Took: w.since(w.begin()), Detail: oneLine(image + ": " + w.imageError(status))}
		}
		ev, ok := w.s.LastEvent(w.pod, func(ev *corev1.Event) bool {
			return strings.HasSuffix(ev.InvolvedObject.FieldPath, "{"+status.Name+"}") && strings.Contains(ev.Message, `"`+image+`"`)
		}, "Pulling", "Pulled")
		if ok && ev.Reason == "Pulling" && !tried(status) {
			at := cluster.EventTime(ev)
			return Stage{State: Current, Took: w.since(at), Detail: oneLine("pulls " + image)}
		}
		if !tried(status) {
			continue
		}
		line := image
		if ok && ev.Reason == "Pulled" {
			if m := pulledIn.FindStringSubmatch(ev.Message); m != nil {
				d, _ := time.ParseDuration(m[1])
				took += d
				line += " pulled in " + m[1]
			} else {
				line += " was on the node"
			}
		}
		if !slices.Contains(done, line) {
			done = append(done, line)
		}
	}
	if len(done) == 0 {
		if cluster.PodFinished(w.pod) {
			return Stage{State: Unknown}
		}
		if w.s.Since(w.begin()) > patience {
			return Stage{State: Blocked, Took: w.since(w.begin()), Detail: "no event tells what the kubelet waits for"}
		}
		return Stage{State: Current, Took: w.since(w.begin())}
	}
	return Stage{State: Passed, Took: took, Detail: oneLine(strings.Join(done, ", "))}
}

// imageError is what the kubelet says of a pull that fails, without its frame.
func (w *walk) imageError(status corev1.ContainerStatus) string {
	message := status.State.Waiting.Message
	if _, rest, ok := strings.Cut(message, "ErrImagePull: "); ok {
		message = rest
	}
	if i := strings.LastIndex(message, `failed to resolve reference "`); i >= 0 {
		if _, rest, ok := strings.Cut(message[i:], `": `); ok {
			message = rest
		}
	}
	return status.State.Waiting.Reason + ", " + message
}

// begin is when the kubelet could begin with the containers.
func (w *walk) begin() time.Time {
	if !w.sandboxAt.IsZero() {
		return w.sandboxAt
	}
	return w.scheduledAt
}

func (w *walk) started() Stage {
	pod := w.pod
	if pod.Status.Phase == corev1.PodFailed {
		return Stage{State: Blocked, Detail: oneLine(w.failure())}
	}
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.State.Running != nil && status.State.Running.StartedAt.After(w.startedAt) {
			w.startedAt = status.State.Running.StartedAt.Time
		}
		switch w.s.ContainerFault(pod, status) {
		case cluster.StartFault, cluster.CrashFault:
			return Stage{State: Blocked, Took: w.since(w.begin()), Detail: oneLine(fault(status))}
		}
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return Stage{State: Passed, Detail: "all containers have ended well"}
	}
	for i, status := range pod.Status.InitContainerStatuses {
		c, _, ok := cluster.Container(&pod.Spec, status.Name)
		sidecar := ok && cluster.IsSidecar(c)
		if running := status.State.Running; running != nil && !sidecar {
			return Stage{State: Current, Took: w.since(w.begin()), Detail: fmt.Sprintf("init container %s runs for %s (%d of %d)", status.Name, seconds(w.s.Since(running.StartedAt.Time)), i+1, len(pod.Status.InitContainerStatuses))}
		}
		if sidecar && (status.Started == nil || !*status.Started) {
			return Stage{State: Current, Took: w.since(w.begin()), Detail: "sidecar " + status.Name + " has not started up"}
		}
	}
	var names []string
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Running == nil && status.State.Terminated == nil {
			return Stage{State: Current, Took: w.since(w.begin()), Detail: "container " + status.Name + " is being started"}
		}
		name := status.Name
		if status.RestartCount > 0 {
			name += fmt.Sprintf(" (%d restarts)", status.RestartCount)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return Stage{State: Current, Took: w.since(w.begin())}
	}
	return Stage{State: Passed, Took: between(w.begin(), w.startedAt), Detail: oneLine(strings.Join(names, ", "))}
}

// fault says in one line why a container does not run.
func fault(status corev1.ContainerStatus) string {
	text := "container " + status.Name
	waiting := status.State.Waiting
	end, _ := cluster.End(status)
	if waiting != nil {
		text += ": " + waiting.Reason
	}
	switch {
	case waiting != nil && waiting.Reason != "CrashLoopBackOff" && waiting.Message != "":
		text += ", " + waiting.Message
	case end != nil:
		text += fmt.Sprintf(", last exit code %d", end.ExitCode)
		if end.Reason != "" {
			text += " (" + end.Reason + ")"
		}
		if end.Reason == "StartError" && end.Message != "" {
			text += ", " + end.Message
		}
	}
	return text
}

// failure says why a pod has ended badly.
func (w *walk) failure() string {
	if w.pod.Status.Reason != "" {
		return w.pod.Status.Reason + ": " + w.pod.Status.Message
	}
	for _, status := range cluster.ContainerStatuses(w.pod) {
		if end, _ := cluster.End(status); end != nil && end.ExitCode != 0 {
			return fault(status)
		}
	}
	return "the pod has failed"
}
