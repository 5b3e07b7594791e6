package rollouts

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Invalid finds pods that are not created because what they are made of is not valid. The
// API server checks a workload's template too; so most of these come from defaults that
// are put into pods when they are created, such as those of a LimitRange.
var Invalid = &analyzers.Analyzer{
	Name:  "rollouts/invalid",
	Doc:   `pods that are not created because a field of theirs is not valid`,
	Needs: slices.Concat(refusalKinds, limitKinds),
	Emits: []analyzers.Code{invalidField},
	Run:   reportCauses(invalidCause),
}

// k8s.io/apimachinery pkg/api/errors, NewInvalid, with the errors of
// pkg/util/validation/field; the last part is of k8s.io/kubernetes
// pkg/apis/core/validation/validation.go, validateResourceRequirements.
var (
	invalidWords = regexp.MustCompile(`(?s)^(Pod|Job\.batch|PersistentVolumeClaim|ReplicaSet\.apps) "[^"]*" is invalid: (.*)$`)
	aboveLimit   = regexp.MustCompile(`spec\.(?:initC|c)ontainers\[(\d+)\]\.resources\.requests: Invalid value: "([^"]+)": must be less than or equal to (\S+) limit of (\S+)`)
)

func invalidCause(p *analyzers.Pass, r refusal) *cause {
	m := invalidWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	c := newCause(invalidField, r)
	c.word = "a field of theirs is not valid"
	c.Summary = analyzers.Line(fmt.Sprintf("%s cannot be created, as a field is not valid: %s", r.plural(), m[2]), analyzers.MaxSummary)
	c.Fixes = append([]analyzers.Fix{{Why: "Correct the field in the workload", Argv: p.Kubectl(r.namespace(), "edit", r.root.Short())}}, rollbackOf(p, r)...)
	if above := aboveLimit.FindStringSubmatch(m[2]); above != nil {
		defaultLimit(p, r, c, above)
	}
	return c
}

// defaultLimit is for a container that requests more than the limit that it is given: it
// states none itself, and the default of a LimitRange is below its request.
func defaultLimit(p *analyzers.Pass, r refusal, c *cause, m []string) {
	index, request, name, limit := m[1], m[2], corev1.ResourceName(m[3]), m[4]
	list := r.template().Spec.Containers
	if strings.Contains(m[0], "initContainers") {
		list = r.template().Spec.InitContainers
	}
	i, err := strconv.Atoi(index)
	if err != nil || i >= len(list) {
		return
	}
	if own, ok := list[i].Resources.Limits[name]; ok && own.String() == limit {
		return // its own limit
	}
	for lr := range cluster.In[*corev1.LimitRange](p.Snapshot, r.namespace()) {
		for at, item := range lr.Spec.Limits {
			q, ok := item.Default[name]
			if item.Type != corev1.LimitTypeContainer || !ok || q.String() != limit {
				continue
			}
			ref := cluster.RefOf(lr)
			c.word = fmt.Sprintf("LimitRange %s gives them a limit below their request", lr.Name)
			c.Summary = analyzers.Line(fmt.Sprintf("Container %s requests %s %s and sets no limit, and LimitRange %s gives it a limit of %s", list[i].Name, request, name, lr.Name, limit), analyzers.MaxSummary)
			c.CausedBy, c.Shared = []analyzers.Ref{ref}, fmt.Sprintf("LimitRange %s gives containers a limit of %s %s, below what they request", lr.Name, limit, name)
			c.Evidence = append(c.Evidence, analyzers.Evidence{Source: ref.String(), Path: fmt.Sprintf("spec.limits[%d].default.%s", at, name), Quote: fmt.Sprintf("default: %s: %s", name, limit)})
			c.Fixes = append([]analyzers.Fix{{
				Why:  "State a limit of its own that is no lower than the request",
				Argv: p.Kubectl(r.namespace(), "set", "resources", r.root.Short(), "-c", list[i].Name, fmt.Sprintf("--limits=%s=%s", name, request)),
			}}, c.Fixes[1:]...)
			return
		}
	}
	// The LimitRange that gave the limit is gone, or has been changed.
	c.gone = p.Sees(cluster.LimitRanges, r.namespace())
}
