package storage

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Annotations and names of k8s.io/component-helpers storage/volume/pv_helpers.go and
// k8s.io/kubernetes pkg/volume/util/storageclass.go.
const (
	annBindCompleted   = "pv.kubernetes.io/bind-completed"
	annSelectedNode    = "volume.kubernetes.io/selected-node"
	annProvisioner     = "volume.kubernetes.io/storage-provisioner"
	annBetaProvisioner = "volume.beta.kubernetes.io/storage-provisioner"
	annProvisionedBy   = "pv.kubernetes.io/provisioned-by"
	annDefaultClass    = "storageclass.kubernetes.io/is-default-class"
	annBetaDefault     = "storageclass.beta.kubernetes.io/is-default-class"
	noProvisioner      = "kubernetes.io/no-provisioner"
)

const (
	// bindPatience is how long a claim may stay unbound before that counts: its class, its
	// volume or a default class may come with the same apply.
	bindPatience = 15 * time.Second
	// idlePatience is the same for a claim that nobody uses yet.
	idlePatience = 5 * time.Minute
)

func classRef(name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: name}
}

func claimRef(namespace, name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name}
}

// className is the class that a claim or volume names; named is false when it leaves the
// choice to the cluster.
func className(annotations map[string]string, spec *string) (name string, named bool) {
	if class, ok := annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class, true
	}
	if spec != nil {
		return *spec, true
	}
	return "", false
}

func claimClass(pvc *corev1.PersistentVolumeClaim) (string, bool) {
	return className(pvc.Annotations, pvc.Spec.StorageClassName)
}

func volumeClass(pv *corev1.PersistentVolume) string {
	name, _ := className(pv.Annotations, &pv.Spec.StorageClassName)
	return name
}

func delays(class *storagev1.StorageClass) bool {
	return class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// unbound iterates the claims that wait for a volume and for no other reason: one that has
// lost its volume or is being deleted is another question.
func unbound(p *analyzers.Pass) iter.Seq[*corev1.PersistentVolumeClaim] {
	return func(yield func(*corev1.PersistentVolumeClaim) bool) {
		for pvc := range cluster.Scoped[*corev1.PersistentVolumeClaim](p.Snapshot) {
			if pvc.Status.Phase == corev1.ClaimPending && pvc.DeletionTimestamp == nil && pvc.Annotations[annBindCompleted] == "" && !yield(pvc) {
				return
			}
		}
	}
}

// users returns the pods that name a claim, ordered by name, finished ones included.
func users(p *analyzers.Pass, namespace, claim string) []*corev1.Pod {
	index := cluster.Derive(p.Snapshot, "storage.users", func() map[types.NamespacedName][]*corev1.Pod {
		m := map[types.NamespacedName][]*corev1.Pod{}
		for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
			for i := range pod.Spec.Volumes {
				if name := claimOf(pod, &pod.Spec.Volumes[i]); name != "" {
					key := types.NamespacedName{Namespace: pod.Namespace, Name: name}
					m[key] = append(m[key], pod)
				}
			}
		}
		return m
	})
	return index[types.NamespacedName{Namespace: namespace, Name: claim}]
}

// claimOf is the name of the claim that a pod's volume stands for, or ""
// (k8s.io/component-helpers storage/ephemeral/ephemeral.go, VolumeClaimName).
func claimOf(pod *corev1.Pod, v *corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name
	}
	return ""
}

// waiters are the pods that need a claim and do not run: neither finished nor on the way
// out, nor left over from a ReplicaSet that is scaled to zero.
func waiters(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(users(p, pvc.Namespace, pvc.Name)), func(pod *corev1.Pod) bool {
		if cluster.PodFinished(pod) || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
			return true
		}
		_, owner, _ := p.Owner(pod)
		rs, ok := owner.(*appsv1.ReplicaSet)
		return ok && rs.Spec.Replicas != nil && *rs.Spec.Replicas == 0
	})
}

// A claimCase is a claim that waits, with what every finding about it needs.
type claimCase struct {
	*analyzers.Pass
	pvc     *corev1.PersistentVolumeClaim
	class   string
	named   bool // the claim names a class, if only the empty one
	waiters []*corev1.Pod
}

// ripe judges whether a claim has waited long enough to be called stuck.
func ripe(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) (claimCase, bool) {
	c := claimCase{Pass: p, pvc: pvc, waiters: waiters(p, pvc)}
	c.class, c.named = claimClass(pvc)
	age := p.Since(pvc.CreationTimestamp.Time)
	return c, age > idlePatience || len(c.waiters) > 0 && age > bindPatience
}

// name is what a person calls the claim: that of an ephemeral volume has the pod's name.
func (c claimCase) name() string {
	if ref, _, ok := c.Owner(c.pvc); ok && ref.Kind == "Pod" {
		return "Claim of ephemeral volume " + strings.TrimPrefix(c.pvc.Name, ref.Name+"-")
	}
	return "Claim " + c.pvc.Name
}

// finding has the subject, the severity and those that suffer. A claim that nobody uses
// hurts nobody yet.
func (c claimCase) finding(code analyzers.Code, format string, args ...any) analyzers.Finding {
	f := analyzers.Finding{Code: code, Subject: cluster.RefOf(c.pvc), Summary: analyzers.Line(fmt.Sprintf(format, args...), analyzers.MaxSummary)}
	if ref, _, ok := c.Owner(c.pvc); ok && ref.Kind == "Pod" {
		f.Subject, f.Part = c.Root(c.pvc), strings.TrimPrefix(c.pvc.Name, ref.Name+"-")
	}
	for _, pod := range c.waiters {
		f.Affected = append(f.Affected, cluster.RefOf(pod))
	}
	if len(c.waiters) == 0 {
		f.Severity = analyzers.Warning
	}
	return f
}

func (c claimCase) source() string { return cluster.RefOf(c.pvc).String() }

// eventOn quotes an event about an object.
func eventOn(o cluster.Object, ev *corev1.Event) analyzers.Evidence {
	return analyzers.Evidence{Source: "Event on " + cluster.RefOf(o).String(), Path: ev.Reason, Quote: analyzers.Quote(strings.TrimSpace(ev.Message)), At: cluster.EventTime(ev)}
}

func classNames(p *analyzers.Pass) []string {
	var out []string
	for class := range cluster.All[*storagev1.StorageClass](p.Snapshot) {
		out = append(out, class.Name)
	}
	return out
}

func isDefault(class *storagev1.StorageClass) bool {
	return class.Annotations[annDefaultClass] == "true" || class.Annotations[annBetaDefault] == "true"
}

func size(list corev1.ResourceList) string {
	q := list[corev1.ResourceStorage]
	return q.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func volumeMode(m *corev1.PersistentVolumeMode) corev1.PersistentVolumeMode {
	return cmp.Or(deref(m), corev1.PersistentVolumeFilesystem)
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
