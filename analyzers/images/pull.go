package images

import (
	"iter"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A pull is the image of one container that cannot be had now.
type pull struct {
	pod       *corev1.Pod
	container string
	policy    corev1.PullPolicy
	image     string // of the container, or of an image volume that it mounts
	path      string // where the pod's spec names the image
	status    string // where the pod's status tells of it
	reason    string // of the waiting state
	message   string // of the waiting state
	text      string // what the runtime said of the last pull, without the kubelet's frame
	event     *corev1.Event
	code      analyzers.Code
}

// pullsWith iterates the failing pulls that get this code.
func pullsWith(p *analyzers.Pass, code analyzers.Code) iter.Seq[pull] {
	return func(yield func(pull) bool) {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if !current(p, pod) {
				continue
			}
			for _, status := range cluster.ContainerStatuses(pod) {
				if p.ContainerFault(pod, status) != cluster.ImageFault {
					continue
				}
				if f := newPull(p, pod, status); f.code == code && !yield(f) {
					return
				}
			}
		}
	}
}

// current leaves out pods that are on their way out: nobody needs to mend them.
func current(p *analyzers.Pass, pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
		return false
	}
	_, owner, _ := p.Owner(pod)
	rs, ok := owner.(*appsv1.ReplicaSet)
	if !ok {
		return true
	}
	replicas, _ := cluster.Replicas(rs)
	return replicas > 0
}

func newPull(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) pull {
	f := pull{pod: pod, container: status.Name, image: status.Image, reason: status.State.Waiting.Reason, message: status.State.Waiting.Message}
	field := "containers"
	f.status = "status.containerStatuses[" + status.Name + "].state.waiting"
	if c, init, ok := cluster.Container(&pod.Spec, status.Name); ok {
		f.image, f.policy = c.Image, c.ImagePullPolicy
		if init {
			field = "initContainers"
			f.status = "status.initContainerStatuses[" + status.Name + "].state.waiting"
		}
		f.path = "spec." + field + "[" + status.Name + "].image"
		f.volume(c)
	}
	f.event, _ = p.LastEvent(pod, f.about, "Failed", "InspectFailed", "ErrImageNeverPull")
	f.text = runtimeText(f.message)
	// Before 1.32 the message of ImagePullBackOff does not carry the last error; the
	// event of the last try does. It explains a state that still stands.
	if f.text == "" && f.event != nil {
		f.text = runtimeText(f.event.Message)
	}
	f.code = classify(p, &f)
	return f
}

// volume corrects the image when the kubelet speaks of an image volume of the container
// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go,
// toKubeContainerImageVolumes: the failed pull of the volume becomes the state of the
// container that mounts it).
func (f *pull) volume(c *corev1.Container) {
	if strings.Contains(f.message, f.image) {
		return
	}
	for _, v := range f.pod.Spec.Volumes {
		if v.Image == nil || v.Image.Reference == "" || !strings.Contains(f.message, v.Image.Reference) {
			continue
		}
		for _, m := range c.VolumeMounts {
			if m.Name == v.Name {
				f.image, f.policy, f.path = v.Image.Reference, v.Image.PullPolicy, "spec.volumes["+v.Name+"].image.reference"
			}
		}
	}
}

// about reports whether an event is about the pull of this very image: a pod's image can
// be changed in place, and its containers may have different ones.
func (f *pull) about(ev *corev1.Event) bool {
	field := ev.InvolvedObject.FieldPath
	return (field == "" || strings.HasSuffix(field, "{"+f.container+"}")) && strings.Contains(ev.Message, `"`+f.image+`"`)
}

// runtimeText strips what the kubelet puts around the runtime's error (k8s.io/kubernetes
// pkg/kubelet/images/image_manager.go, pullImage: "Back-off pulling image %q: %s: %s" and
// "Failed to pull image %q: %v").
func runtimeText(message string) string {
	text := message
	for _, frame := range []string{`Back-off pulling image "`, `Failed to pull image "`} {
		if rest, ok := strings.CutPrefix(text, frame); ok {
			_, text, _ = strings.Cut(rest, `"`)
			text = strings.TrimPrefix(text, ": ")
		}
	}
	return strings.TrimPrefix(text, "ErrImagePull: ")
}

// essence is the part of the runtime's error that says why, verbatim (containerd
// internal/cri/server/images/image_pull.go: "failed to pull and unpack image %q: failed
// to resolve reference %q: %w").
func (f *pull) essence() string {
	text := f.text
	for _, frame := range []string{`failed to pull and unpack image "`, `failed to resolve reference "`} {
		if i := strings.LastIndex(text, frame); i >= 0 {
			if _, rest, ok := strings.Cut(text[i+len(frame):], `": `); ok && rest != "" {
				text = rest
			}
		}
	}
	return analyzers.Quote(text)
}

// evidence is what every finding of this package stands on.
func (f *pull) evidence(more ...analyzers.Evidence) []analyzers.Evidence {
	pod := cluster.RefOf(f.pod)
	said := analyzers.Evidence{Source: pod.String(), Path: f.status, Quote: f.essence(), At: f.seen()}
	switch {
	case f.text == "":
		said.Quote = f.reason
	case runtimeText(f.message) == "":
		said.Source, said.Path = "Event on "+pod.String(), f.event.Reason
	}
	return append([]analyzers.Evidence{said, {Source: pod.String(), Path: f.path, Quote: analyzers.Quote(f.image)}}, more...)
}

// seen is when the last pull failed, if an event says so.
func (f *pull) seen() time.Time {
	if f.event == nil {
		return time.Time{}
	}
	return cluster.EventTime(f.event)
}
