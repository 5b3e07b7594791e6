package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Object is any typed Kubernetes object of a Snapshot. Callers must not change it.
type Object interface {
	metav1.Object
	runtime.Object
}

// Ref names one object, whether or not it exists. The JSON names are part of the
// report's public format.
type Ref struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// RefOf returns the reference of an object of a Snapshot.
func RefOf(o Object) Ref {
	gvk := o.GetObjectKind().GroupVersionKind()
	return Ref{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// GroupKind is the API group and kind that r names.
func (r Ref) GroupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind).GroupKind()
}

// Is reports whether r and other name the same object, in whatever version.
func (r Ref) Is(other Ref) bool {
	return r.Kind == other.Kind && r.Name == other.Name && r.Namespace == other.Namespace && r.GroupKind() == other.GroupKind()
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r.Kind == "" && r.Name == "" }

// String is "Kind namespace/name", or "Kind name" without a namespace.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Short is "kind/name" in lower case, as kubectl takes it.
func (r Ref) Short() string { return strings.ToLower(r.Kind) + "/" + r.Name }

func (r Ref) key() objectKey {
	return objectKey{kind: r.GroupKind(), name: types.NamespacedName{Namespace: r.Namespace, Name: r.Name}}
}

// A Secret is all that Fathom keeps of a Secret: never a value. From a live cluster
// only the metadata is read, and Keys is unknown; a manifest tells its key names.
type Secret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Type              corev1.SecretType `json:"type,omitempty"`
	Keys              []string          `json:"keys,omitempty"`
}

// DeepCopyObject makes Secret a runtime.Object.
func (s *Secret) DeepCopyObject() runtime.Object {
	c := *s
	s.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	c.Keys = append([]string(nil), s.Keys...)
	return &c
}
