package rollouts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Quota finds pods that a ResourceQuota keeps from being created.
var Quota = &analyzers.Analyzer{
	Name: "rollouts/quota",
	Doc: `ResourceQuotas that keep pods from being created

With the numbers of the quota as it is now: one that has room again is no cause any more,
nor is one that pods being deleted are about to leave.`,
	Needs: slices.Concat(refusalKinds, quotaKinds),
	Emits: []analyzers.Code{quotaExceeded, quotaUnspecified},
	Run:   reportCauses(quotaCause, unspecifiedCause),
}

var quotaKinds = []schema.GroupKind{cluster.ResourceQuotas, cluster.Pods, cluster.LimitRanges, cluster.PersistentVolumeClaims}

// The API server's words, k8s.io/apiserver pkg/admission/plugin/resourcequota/controller.go
// and k8s.io/kubernetes pkg/quota/v1/evaluator/core/pods.go.
var (
	exceededWords    = regexp.MustCompile(`^exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)$`)
	uncoveredWords   = regexp.MustCompile(`^insufficient quota to (?:consume|match these scopes): (.*)$`)
	unspecifiedWords = regexp.MustCompile(`^failed quota: ([^:\s]+): must specify (.*)$`)
)

func quotaCause(p *analyzers.Pass, r refusal) *cause {
	if m := uncoveredWords.FindStringSubmatch(r.reason); m != nil {
		c := newCause(quotaExceeded, r)
		c.word = fmt.Sprintf("no ResourceQuota of namespace %s allows %s", r.namespace(), analyzers.Line(m[1], 80))
		c.Summary = "No" + c.word[2:]
		c.Fixes = []analyzers.Fix{{Why: "Show the quotas of the namespace, one of which must allow this", Argv: p.Kubectl(r.namespace(), "describe", "resourcequota")}}
		return c
	}
	m := exceededWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	name, needs := m[1], amounts(m[2])
	ref := analyzers.Ref{APIVersion: "v1", Kind: "ResourceQuota", Namespace: r.namespace(), Name: name}
	c := newCause(quotaExceeded, r)
	c.CausedBy = []analyzers.Ref{ref}
	used, hard := amounts(m[3]), amounts(m[4])
	quota, ok := cluster.Find[*corev1.ResourceQuota](p.Snapshot, r.namespace(), name)
	if ok {
		used, hard = quota.Status.Used, quota.Spec.Hard
	}
	full := short(needs, used, hard)
	c.gone = len(full) == 0 || !ok && p.Sees(cluster.ResourceQuotas, r.namespace())
	c.wait = leaving(p, r)
	c.word = fmt.Sprintf("ResourceQuota %s is used up", name)
	if c.gone {
		return c
	}
	first := full[0]
	u, h, n := used[first], hard[first], needs[first]
	left := h.DeepCopy()
	left.Sub(u)
	var users []user
	if ok {
		users = usersOf(p, quota, first)
	}
	by := mostBy(users, r.root)
	switch {
	case n.Cmp(h) > 0:
		c.word = fmt.Sprintf("ResourceQuota %s allows only %s %s in all", name, h.String(), first)
		c.Summary = fmt.Sprintf("%s, and a new %s needs %s: it never fits", c.word, r.noun, n.String())
		c.Shared = c.word
	case left.Sign() > 0:
		c.word = fmt.Sprintf("ResourceQuota %s has too little left", name)
		c.Summary = fmt.Sprintf("ResourceQuota %s has %s of %s %s left%s, and a new %s needs %s", name, left.String(), h.String(), first, by, r.noun, n.String())
		c.Shared = fmt.Sprintf("ResourceQuota %s has only %s of %s %s left", name, left.String(), h.String(), first)
	default:
		c.Summary = fmt.Sprintf("ResourceQuota %s is used up: %s of %s %s are in use%s, and a new %s needs %s", name, u.String(), h.String(), first, by, r.noun, n.String())
		c.Shared = fmt.Sprintf("ResourceQuota %s is used up: %s of %s %s are in use", name, u.String(), h.String(), first)
	}
	if ok {
		c.Evidence = append([]analyzers.Evidence{{Source: ref.String(), Path: "status.used", Quote: fmt.Sprintf("used: %s %s of %s", first, u.String(), h.String())}}, c.Evidence...)
		if text := usersText(users); text != "" {
			c.Evidence = append(c.Evidence, analyzers.Evidence{Source: ref.String(), Path: string(first), Quote: "in use by " + text})
		}
	}
	c.Fixes = append([]analyzers.Fix{raise(p, ref, r, needs, used, full)}, fewer(p, r)...)
	c.Fixes = append(c.Fixes, finished(p, r, first)...)
	return c
}

// short lists the resources of which there is too little, in order.
func short(needs, used, hard corev1.ResourceList) []corev1.ResourceName {
	var out []corev1.ResourceName
	for name, need := range needs {
		limit, limited := hard[name]
		sum := used[name].DeepCopy()
		sum.Add(need)
		if limited && sum.Cmp(limit) > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// amounts reads "pods=1,requests.cpu=500m".
func amounts(text string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		if q, err := resource.ParseQuantity(value); err == nil {
			out[corev1.ResourceName(name)] = q
		}
	}
	return out
}

// leaving reports whether pods of the namespace are just being deleted: they count until
// they are gone, and an update that stops old pods first waits for them.
func leaving(p *analyzers.Pass, r refusal) bool {
	if p.Since(r.since) > 2*time.Minute {
		return false
	}
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, r.namespace()) {
		if pod.DeletionTimestamp != nil && p.Since(pod.DeletionTimestamp.Time) < time.Minute {
			return true
		}
	}
	return false
}

// raise gives the quota room for the pods that are missing.
func raise(p *analyzers.Pass, ref analyzers.Ref, r refusal, needs, used corev1.ResourceList, full []corev1.ResourceName) analyzers.Fix {
	hard := map[corev1.ResourceName]string{}
	for _, name := range full {
		sum := used[name].DeepCopy()
		for range min(r.missing, 1000) {
			sum.Add(needs[name])
		}
		hard[name] = sum.String()
	}
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"hard": hard}})
	return analyzers.Fix{
		Why:   fmt.Sprintf("Give the quota room for the missing %ss", r.noun),
		Argv:  p.Kubectl(ref.Namespace, "patch", "resourcequota", ref.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: ref, Data: data},
	}
}

// fewer asks for the pods that there are.
func fewer(p *analyzers.Pass, r refusal) []analyzers.Fix {
	o := p.RootObject(r.controller)
	if o == nil {
		return nil
	}
	if wants, ok := cluster.Replicas(o); !ok || r.has == 0 || wants <= r.has || r.root.Kind == "DaemonSet" {
		return nil
	}
	return []analyzers.Fix{{Why: "Scale down to the pods that exist", Argv: p.Kubectl(r.namespace(), "scale", r.root.Short(), fmt.Sprintf("--replicas=%d", r.has))}}
}

// unspecifiedCause is a quota that counts what the pods do not state.
func unspecifiedCause(p *analyzers.Pass, r refusal) *cause {
	m := unspecifiedWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	name := m[1]
	var demanded, containers []string // limits.cpu for: web,proxy; limits.memory for: web
	for part := range strings.SplitSeq(m[2], "; ") {
		what, who, _ := strings.Cut(part, " for: ")
		demanded = append(demanded, what)
		containers = append(containers, strings.Split(who, ",")...)
	}
	slices.Sort(containers)
	containers = slices.Compact(containers)
	ref := analyzers.Ref{APIVersion: "v1", Kind: "ResourceQuota", Namespace: r.namespace(), Name: name}
	c := newCause(quotaUnspecified, r)
	quota, ok := cluster.Find[*corev1.ResourceQuota](p.Snapshot, r.namespace(), name)
	c.gone = !ok && p.Sees(cluster.ResourceQuotas, r.namespace()) || ok && !counts(quota, demanded) || defaulted(p, r.namespace(), demanded)
	c.word = fmt.Sprintf("ResourceQuota %s demands %s", name, strings.Join(demanded, " and "))
	c.Summary = fmt.Sprintf("ResourceQuota %s demands %s, but container %s sets none", name, strings.Join(demanded, " and "), strings.Join(containers, ", "))
	if ok {
		c.Evidence = append(c.Evidence, analyzers.Evidence{Source: ref.String(), Path: "spec.hard", Quote: "hard: " + hardText(quota)})
	}
	c.Fixes = []analyzers.Fix{
		setResources(p, r, demanded, containers),
		{Why: "Show the limit ranges of the namespace, whose defaults fill in what pods leave out", Argv: p.Kubectl(r.namespace(), "get", "limitrange")},
	}
	return c
}

func counts(quota *corev1.ResourceQuota, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := quota.Spec.Hard[corev1.ResourceName(n)]; return ok })
}

// defaulted reports whether a LimitRange of the namespace sets all of it by now.
func defaulted(p *analyzers.Pass, namespace string, names []string) bool {
	have := map[string]bool{}
	for lr := range cluster.In[*corev1.LimitRange](p.Snapshot, namespace) {
		for _, item := range lr.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for res := range item.Default {
				have["limits."+string(res)], have["requests."+string(res)], have[string(res)] = true, true, true
			}
			for res := range item.DefaultRequest {
				have["requests."+string(res)], have[string(res)] = true, true
			}
		}
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !have[n] })
}

func setResources(p *analyzers.Pass, r refusal, demanded, containers []string) analyzers.Fix {
	argv := []string{"set", "resources", r.root.Short(), "--containers=" + strings.Join(containers, ",")}
	for _, field := range []string{"limits", "requests"} {
		var set []string
		for _, d := range demanded {
			if res, ok := strings.CutPrefix(d, field+"."); ok {
				set = append(set, res+"=<amount>")
			} else if field == "requests" && !strings.Contains(d, ".") {
				set = append(set, d+"=<amount>")
			}
		}
		if len(set) > 0 {
			argv = append(argv, "--"+field+"="+strings.Join(set, ","))
		}
	}
	return analyzers.Fix{Why: "Set the requests and limits that the quota counts", Argv: p.Kubectl(r.namespace(), argv...)}
}

func hardText(quota *corev1.ResourceQuota) string {
	var words []string
	for name, q := range quota.Spec.Hard {
		words = append(words, fmt.Sprintf("%s: %s", name, q.String()))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
