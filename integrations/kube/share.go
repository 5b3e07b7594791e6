package kube

import (
	"crypto/sha256"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A sharer lets equal parts of objects be one in memory. The pods of a workload differ in
// little more than their names and status: shared, 10,000 of them take a third of the
// memory. It is safe as nobody may change an object of a Snapshot, and as masking, which
// does change them while the Snapshot is built, may be done twice with the same result.
type sharer struct {
	containers map[digest]corev1.Container
	specs      map[digest]corev1.PodSpec
	sources    map[digest]corev1.VolumeSource
	mounts     map[digest][]corev1.VolumeMount
	metas      map[digest]metav1.ObjectMeta
	texts      map[string]string
}

type digest [sha256.Size]byte

func newSharer() *sharer {
	return &sharer{
		containers: map[digest]corev1.Container{}, specs: map[digest]corev1.PodSpec{}, sources: map[digest]corev1.VolumeSource{},
		mounts: map[digest][]corev1.VolumeMount{}, metas: map[digest]metav1.ObjectMeta{}, texts: map[string]string{},
	}
}

// once returns the first part seen that has the same protobuf form as this one.
func once[T any, P interface {
	*T
	Marshal() ([]byte, error)
}](seen map[digest]T, part T) T {
	data, err := P(&part).Marshal()
	if err != nil {
		return part
	}
	key := digest(sha256.Sum256(data))
	if first, ok := seen[key]; ok {
		return first
	}
	seen[key] = part
	return part
}

func (s *sharer) object(o cluster.Object) {
	s.meta(o)
	switch o := o.(type) {
	case *corev1.Pod:
		s.podSpec(&o.Spec)
		s.podStatus(&o.Status)
	case *corev1.Event:
		for _, t := range []*string{&o.InvolvedObject.Kind, &o.InvolvedObject.APIVersion, &o.InvolvedObject.Namespace, &o.InvolvedObject.FieldPath,
			&o.Reason, &o.Type, &o.Source.Component, &o.Source.Host, &o.ReportingController, &o.ReportingInstance} {
			s.text(t)
		}
	}
	if t, ok := cluster.Template(o); ok {
		s.podSpec(&t.Spec)
	}
}

func (s *sharer) meta(o cluster.Object) {
	if l := o.GetLabels(); len(l) > 0 {
		o.SetLabels(once(s.metas, metav1.ObjectMeta{Labels: l}).Labels)
	}
	if a := o.GetAnnotations(); len(a) > 0 {
		o.SetAnnotations(once(s.metas, metav1.ObjectMeta{Annotations: a}).Annotations)
	}
	if r := o.GetOwnerReferences(); len(r) > 0 {
		o.SetOwnerReferences(once(s.metas, metav1.ObjectMeta{OwnerReferences: r}).OwnerReferences)
	}
	ns, generate := o.GetNamespace(), o.GetGenerateName()
	o.SetNamespace(*s.text(&ns))
	o.SetGenerateName(*s.text(&generate))
}

// podSpec shares what the pods of a workload have in common. The volume with the token
// of the service account has another name in each of them, and so have its mounts.
func (s *sharer) podSpec(spec *corev1.PodSpec) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			mounts := list[i].VolumeMounts
			list[i].VolumeMounts = nil
			list[i] = once(s.containers, list[i])
			list[i].VolumeMounts = s.volumeMounts(mounts)
		}
	}
	spec.Volumes = slices.Clone(spec.Volumes) // decoding has left room at the end of it
	for i := range spec.Volumes {
		spec.Volumes[i].VolumeSource = once(s.sources, spec.Volumes[i].VolumeSource)
	}
	own := *spec
	rest := own
	rest.NodeName, rest.Hostname, rest.Subdomain = "", "", ""
	rest.Volumes, rest.InitContainers, rest.Containers, rest.EphemeralContainers = nil, nil, nil, nil
	*spec = once(s.specs, rest)
	spec.NodeName, spec.Hostname, spec.Subdomain = *s.text(&own.NodeName), own.Hostname, own.Subdomain
	spec.Volumes, spec.InitContainers, spec.Containers, spec.EphemeralContainers = own.Volumes, own.InitContainers, own.Containers, own.EphemeralContainers
}

func (s *sharer) volumeMounts(mounts []corev1.VolumeMount) []corev1.VolumeMount {
	if len(mounts) == 0 {
		return nil
	}
	data, err := (&corev1.Container{VolumeMounts: mounts}).Marshal()
	if err != nil {
		return mounts
	}
	key := digest(sha256.Sum256(data))
	if first, ok := s.mounts[key]; ok {
		return first
	}
	for i := range mounts {
		s.text(&mounts[i].MountPath)
	}
	s.mounts[key] = mounts
	return mounts
}

func (s *sharer) podStatus(status *corev1.PodStatus) {
	s.text(&status.HostIP)
	status.Conditions = slices.Clone(status.Conditions)
	for i := range status.Conditions {
		c := &status.Conditions[i]
		s.text((*string)(&c.Type))
		s.text((*string)(&c.Status))
		s.text(&c.Reason)
		s.text(&c.Message)
	}
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
		for i := range list {
			s.text(&list[i].Name)
			s.text(&list[i].Image)
			s.text(&list[i].ImageID)
		}
	}
}

// text makes equal strings one.
func (s *sharer) text(t *string) *string {
	if first, ok := s.texts[*t]; ok {
		*t = first
	} else {
		s.texts[*t] = *t
	}
	return t
}
