package kube

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// namespacesExist asks for each namespace of the scope by name, which a user with rights
// in one namespace only may do, or be forbidden; then they are taken at their word.
func (r *reading) namespacesExist(ctx context.Context) error {
	ctx = withTally(ctx, &r.other)
	kind, _ := cluster.KindFor(cluster.Namespaces)
	var missing []string
	for _, ns := range r.scope {
		var buf bytes.Buffer
		media, err := r.get(ctx, r.path("api", "v1", "namespaces", ns), nil, protobuf+",application/json", &buf)
		if apierrors.IsNotFound(err) {
			missing = append(missing, ns)
		} else if err == nil {
			if o, err := decodeOne(kind, media, buf.Bytes()); err == nil {
				r.extra = append(r.extra, o)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	e := &Error{Reason: NamespaceNotFound, Hint: "see which there are: " + r.kubectl("get", "namespaces")}
	if e.Message = fmt.Sprintf("namespace %q not found", missing[0]); len(missing) > 1 {
		e.Message = fmt.Sprintf("namespaces %s not found", strings.Join(missing, ", "))
	}
	var names []string
	for _, o := range r.list(ctx, kind, "", nil, func(int) {}).objects {
		names = append(names, o.GetName())
	}
	if len(names) == 0 {
		return e
	}
	for _, ns := range missing {
		if like := nearest(ns, names); like != "" {
			e.Hint = fmt.Sprintf("did you mean %q? %s", like, e.Hint)
			break
		}
	}
	return e
}

// allOrOwn lists all namespaces or, where that is forbidden, the context's own.
func (r *reading) allOrOwn(ctx context.Context, k cluster.Kind) []*listing {
	all := r.one(ctx, k, "")
	if r.namespace == "" || !apierrors.IsForbidden(all.err) || all.pages > 0 {
		return []*listing{all}
	}
	return []*listing{all, r.one(ctx, k, r.namespace)}
}

// narrow makes the context's namespace the scope when its pods are all that may be seen.
func (r *reading) narrow() {
	for _, l := range r.listings {
		if l.kind.GroupKind() == cluster.Pods && l.namespace != "" && (l.err == nil || l.pages > 0) {
			r.scope = []string{l.namespace}
			r.notes = append(r.notes, fmt.Sprintf("pods of all namespaces may not be listed: only namespace %q was looked at", l.namespace))
		}
	}
}

// unscheduled reports whether a pod of the scope has no node yet: why, only the pods of
// all namespaces can tell, as they fill the nodes.
func (r *reading) unscheduled() bool {
	for _, l := range r.listings {
		for _, o := range l.objects {
			if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) {
				return true
			}
		}
	}
	return false
}

func (r *reading) otherPods(ctx context.Context) *listing {
	pods, _ := cluster.KindFor(cluster.Pods)
	l := r.one(ctx, pods, "")
	l.objects = slices.DeleteFunc(l.objects, func(o cluster.Object) bool { return slices.Contains(r.scope, o.GetNamespace()) })
	return l
}
