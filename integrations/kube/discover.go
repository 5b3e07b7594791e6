package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// discover asks, in one request, which API groups the server has, so that the kinds of
// other projects cost none where they are not installed. Without an answer they are asked
// for one by one.
func (r *reading) discover(ctx context.Context) {
	var buf bytes.Buffer
	var list metav1.APIGroupList
	if _, err := r.get(withTally(ctx, &r.other), r.path("apis"), nil, "application/json", &buf); err != nil || json.Unmarshal(buf.Bytes(), &list) != nil || list.Kind != "APIGroupList" {
		return
	}
	r.groups = map[string][]string{}
	for _, g := range list.Groups {
		for _, v := range g.Versions {
			r.groups[g.Name] = append(r.groups[g.Name], v.Version)
		}
	}
}

// readable chooses the version in which to read a kind of another project; ok is false
// when the server has none that the checks know.
func (r *reading) readable(k cluster.Kind) (_ cluster.Kind, ok bool, why string) {
	if !k.Custom() || r.groups == nil {
		return k, true, ""
	}
	served := r.groups[k.Group]
	for _, v := range k.Versions {
		if slices.Contains(served, v) {
			k.Version = v
			return k, true, ""
		}
	}
	if len(served) > 0 {
		return k, false, fmt.Sprintf("the API server has %s in versions %q, and %q can be read", k.Group, served, k.Versions)
	}
	return k, false, ""
}
