package rollouts

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Limits finds pods that a LimitRange keeps from being created.
var Limits = &analyzers.Analyzer{
	Name:  "rollouts/limits",
	Doc:   `LimitRanges that keep pods from being created`,
	Needs: slices.Concat(refusalKinds, limitKinds),
	Emits: []analyzers.Code{limitViolation},
	Run:   reportCauses(limitCause),
}

var limitKinds = []schema.GroupKind{cluster.LimitRanges}

// limitWords are of k8s.io/kubernetes plugin/pkg/admission/limitranger/admission.go; of
// several the first is enough.
var limitWords = regexp.MustCompile(`(minimum|maximum) (\S+) usage per (\w+) is ([^,\s]+?)(?:,|\.\s) ?(?:but )?([A-Za-z][^,\]]*)|(\S+) (max limit to request ratio) per (\w+) is ([^,\s]+), but ([^,\]]*)`)

func limitCause(p *analyzers.Pass, r refusal) *cause {
	m := limitWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	bound, res, scope, value, is := m[1], m[2], m[3], m[4], strings.TrimSpace(m[5])
	if m[7] != "" {
		bound, res, scope, value, is = m[7], m[6], m[8], m[9], strings.TrimSpace(m[10])
	}
	res = strings.TrimPrefix(res, "[")
	c := newCause(limitViolation, r)
	name := "of the namespace"
	if lr, path, ok := limitObject(p, r.namespace(), bound, res, scope, value); ok {
		name = lr.Name
		c.CausedBy = []analyzers.Ref{cluster.RefOf(lr)}
		c.Evidence = append([]analyzers.Evidence{{Source: cluster.RefOf(lr).String(), Path: path, Quote: path[strings.Index(path, "].")+2:] + ": " + value}}, c.Evidence...)
	} else {
		c.gone = p.Sees(cluster.LimitRanges, r.namespace())
	}
	c.word = fmt.Sprintf("LimitRange %s refuses them", name)
	c.Summary = fmt.Sprintf("LimitRange %s sets a %s of %s %s per %s, but %s", name, bound, value, res, scope, strings.ToLower(is[:1])+is[1:])
	c.Shared = fmt.Sprintf("LimitRange %s sets a %s of %s %s per %s", name, bound, value, res, scope)
	c.Fixes = []analyzers.Fix{
		{Why: "Bring the workload's requests and limits within the bounds", Argv: p.Kubectl(r.namespace(), "edit", r.root.Short())},
		{Why: "Show the bounds of the namespace", Argv: p.Kubectl(r.namespace(), "describe", "limitrange")},
	}
	return c
}

// limitObject finds the LimitRange that sets this bound.
func limitObject(p *analyzers.Pass, namespace, bound, res, scope, value string) (*corev1.LimitRange, string, bool) {
	for lr := range cluster.In[*corev1.LimitRange](p.Snapshot, namespace) {
		for i, item := range lr.Spec.Limits {
			list, field := item.Max, "max"
			switch bound {
			case "minimum":
				list, field = item.Min, "min"
			case "max limit to request ratio":
				list, field = item.MaxLimitRequestRatio, "maxLimitRequestRatio"
			}
			if q, ok := list[corev1.ResourceName(res)]; ok && string(item.Type) == scope && q.String() == value {
				return lr, fmt.Sprintf("spec.limits[%d].%s.%s", i, field, res), true
			}
		}
	}
	return nil, "", false
}
