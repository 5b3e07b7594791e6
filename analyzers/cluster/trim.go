package cluster

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

const (
	// lastApplied repeats the whole object, secrets included.
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
	// A ConfigMap value beyond this is cut: no check reads further, and a cluster may
	// hold hundreds of megabytes of them.
	maxConfigValue = 64 << 10
)

// Trim drops from an object what no analyzer reads, to save memory and to keep secrets
// out. A collector calls it on each page, before the next one is read.
func Trim(o Object) {
	o.SetManagedFields(nil)
	if a := o.GetAnnotations(); a[lastApplied] != "" {
		delete(a, lastApplied)
		if len(a) == 0 {
			o.SetAnnotations(nil)
		}
	}
	switch o := o.(type) {
	case *corev1.ConfigMap:
		for k := range o.BinaryData {
			o.BinaryData[k] = nil
		}
		for k, v := range o.Data {
			if len(v) > maxConfigValue {
				o.Data[k] = v[:maxConfigValue]
			}
		}
	case *corev1.Node:
		o.Status.Images = nil
	}
}

func typeOf(o Object) reflect.Type { return reflect.TypeOf(o) }
