package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// With returns a Snapshot in which ref is changed by a strategic merge patch, as
// `kubectl patch` would do it. The receiver stays as it is. When the patch changes a
// workload's pod template, its pods that have no node yet are replaced by what would be
// created in their place: the template's labels and spec, another UID, so that no event
// of the past is about them, and a status that says only that they wait for a node.
func (s *Snapshot) With(ref Ref, patch []byte) (*Snapshot, error) {
	old, ok := s.byName[ref.key()]
	if !ok {
		return nil, fmt.Errorf("patch %s: there is no such object", ref)
	}
	changed, err := patched(old, patch)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	replace := map[objectKey]Object{ref.key(): changed}
	if t, ok := Template(changed); ok {
		for _, pod := range s.PodsOf(old) {
			if pod.Spec.NodeName == "" {
				replace[RefOf(pod).key()] = fromTemplate(pod, t)
			}
		}
	}
	return s.replacing(replace), nil
}

// wouldBe begins the UID of a pod that With has made up: nothing that happened before is
// about it, not even an event without a UID.
const wouldBe = types.UID("would-be-")

func patched(o Object, patch []byte) (Object, error) {
	k, ok := kindFor(o)
	if !ok {
		return nil, fmt.Errorf("kind %T is not in the table of kinds", o)
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		var change map[string]any
		if err := json.Unmarshal(patch, &change); err != nil {
			return nil, err
		}
		return &unstructured.Unstructured{Object: mergePatch(u.DeepCopy().Object, change).(map[string]any)}, nil
	}
	before, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, k.New())
	if err != nil {
		return nil, err
	}
	out := k.New()
	if err := json.Unmarshal(after, out); err != nil {
		return nil, err
	}
	out.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
	return out, nil
}

// fromTemplate is the pod as the template would make it.
func fromTemplate(pod *corev1.Pod, t *corev1.PodTemplateSpec) *corev1.Pod {
	out := pod.DeepCopy()
	spec := t.Spec.DeepCopy()
	spec.NodeName = pod.Spec.NodeName
	spec.Tolerations = mergeTolerations(spec.Tolerations, pod.Spec.Tolerations)
	spec.Volumes = mergeVolumes(spec.Volumes, pod.Spec.Volumes)
	if spec.ServiceAccountName == "" {
		spec.ServiceAccountName = pod.Spec.ServiceAccountName
	}
	if spec.Priority == nil {
		spec.Priority = pod.Spec.Priority
	}
	out.Spec = *spec
	out.UID = wouldBe + pod.UID
	out.Status = corev1.PodStatus{
		Phase: corev1.PodPending,
		Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			LastTransitionTime: pod.CreationTimestamp,
		}},
		QOSClass: pod.Status.QOSClass,
	}
	for k, v := range t.Labels {
		if out.Labels == nil {
			out.Labels = map[string]string{}
		}
		out.Labels[k] = v
	}
	return out
}

// mergeTolerations keeps what admission added to the pod, such as not-ready:NoExecute.
func mergeTolerations(spec, pod []corev1.Toleration) []corev1.Toleration {
	for _, t := range pod {
		if !slices.ContainsFunc(spec, func(have corev1.Toleration) bool { return have.MatchToleration(&t) }) {
			spec = append(spec, t)
		}
	}
	return spec
}

// mergeVolumes keeps what admission and controllers added: the token of the service
// account, the claims of a StatefulSet.
func mergeVolumes(spec, pod []corev1.Volume) []corev1.Volume {
	for _, v := range pod {
		if !slices.ContainsFunc(spec, func(have corev1.Volume) bool { return have.Name == v.Name }) {
			spec = append(spec, v)
		}
	}
	return spec
}

// replacing returns a copy of s with some objects exchanged and indexes of its own.
func (s *Snapshot) replacing(replace map[objectKey]Object) *Snapshot {
	out := *s
	out.read, out.lazy, out.derived = nil, newIndexes(), newDerived()
	out.objects, out.byName = maps.Clone(s.objects), maps.Clone(s.byName)
	cloned := map[string]bool{}
	for key, o := range replace {
		if !cloned[key.kind.String()] {
			out.objects[key.kind], cloned[key.kind.String()] = slices.Clone(out.objects[key.kind]), true
		}
		i, found := slices.BinarySearchFunc(out.objects[key.kind], o, compareObjects)
		if found {
			out.objects[key.kind][i] = o
		}
		out.byName[key] = o
	}
	return &out
}
