package services

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A slip is one pair of a selector that the meant labels do not carry.
type slip struct {
	key, value string
	newKey     string // the key that the labels have instead; empty when the pair has to go
	newValue   string
	sure       bool // a typing error or the same value under another well-known key
}

// A meant target is one that a selector misses by little.
type meant struct {
	target
	slips []slip
	score int
}

// identityKeys name the application itself. When such a label has quite another value,
// another application was meant, and it is not there.
var identityKeys = map[string]bool{
	"app": true, "k8s-app": true, "name": true, "run": true, "application": true, "service": true, "component": true,
	"app.kubernetes.io/name": true, "app.kubernetes.io/component": true,
}

// nearest returns the one target that the selector of svc was meant for, judged by its
// labels and its name; ok is false when none or several come into question.
func nearest(s *cluster.Snapshot, svc *corev1.Service, list []target) (best meant, ok bool) {
	var found []meant
	for _, t := range list {
		slips, good := compare(svc.Spec.Selector, t.labels)
		if !good {
			continue
		}
		m := meant{target: t, slips: slips, score: score(svc, t, slips)}
		if m.score <= 0 {
			continue
		}
		// A workload that another Service selects is less likely without its own.
		if slices.ContainsFunc(slices.Collect(cluster.In[*corev1.Service](s, svc.Namespace)), func(o *corev1.Service) bool {
			return o.Name != svc.Name && matches(o.Spec.Selector, t.labels)
		}) {
			m.score--
		}
		if i := slices.IndexFunc(found, func(f meant) bool { return f.ref == t.ref }); i >= 0 {
			if m.score > found[i].score {
				found[i] = m
			}
			continue
		}
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b meant) int { return b.score - a.score })
	if len(found) == 0 || len(found) > 1 && found[0].score == found[1].score {
		return meant{}, false
	}
	return found[0], true
}

// compare lists the pairs of a selector that labels lack; good is false when they have
// too little in common.
func compare(selector, labels map[string]string) (slips []slip, good bool) {
	for _, k := range sorted(selector) {
		v := selector[k]
		have, present := labels[k]
		switch {
		case present && have == v:
		case present && near(v, have):
			slips = append(slips, slip{key: k, value: v, newKey: k, newValue: have, sure: true})
		case present:
			slips = append(slips, slip{key: k, value: v, newKey: k, newValue: have})
		default:
			other, sure := renamed(k, v, selector, labels)
			slips = append(slips, slip{key: k, value: v, newKey: other, newValue: labels[other], sure: sure})
		}
	}
	unsure := len(slices.DeleteFunc(slices.Clone(slips), func(p slip) bool { return p.sure }))
	return slips, len(slips) > 0 && unsure <= 1
}

// renamed finds the key under which labels carry a value instead of k: another one of
// the keys that name an application, as after a change from app to
// app.kubernetes.io/name, or a mistyped key.
func renamed(k, v string, selector, labels map[string]string) (key string, sure bool) {
	for _, other := range sorted(labels) {
		if _, used := selector[other]; used || labels[other] != v {
			continue
		}
		if identityKeys[k] && identityKeys[other] || release[k] && release[other] || near(k, other) {
			return other, true
		}
	}
	return "", false
}

var release = map[string]bool{"release": true, "app.kubernetes.io/instance": true, "helm.sh/release": true}

// near reports whether two words differ by a slip of the pen. analyzers.Nearest counts
// two swapped letters as two changes, too many for a short word.
func near(a, b string) bool {
	if digits(a) != digits(b) {
		return false // web1 and web2 are two things
	}
	if _, ok := analyzers.Nearest(a, []string{b}); ok {
		return true
	}
	if len(a) != len(b) || a == b {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[:i]+string(a[i+1])+string(a[i])+a[i+2:] == b {
			return true
		}
	}
	return false
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// score weighs how likely t was meant; nothing above zero means it was not.
func score(svc *corev1.Service, t target, slips []slip) int {
	named := t.ref.Name == svc.Name
	var unsure []slip
	for _, p := range slips {
		if !p.sure {
			unsure = append(unsure, p)
		}
	}
	n := 0
	switch {
	case len(unsure) == 0:
		n = 4
	case identityKeys[unsure[0].key] && unsure[0].newKey != "":
		// app=payments beside app=web: payments is simply not there, unless the names
		// say that this Service belongs to this workload.
		if named {
			n = 1
		}
	case named || identified(svc.Spec.Selector, t.labels):
		n = 2
	}
	if named && n > 0 {
		n += 2
	}
	return n
}

// identified reports whether selector and labels agree on a key that names the
// application: the same release or team alone means nothing.
func identified(selector, labels map[string]string) bool {
	for k, v := range selector {
		if identityKeys[k] && labels[k] == v {
			return true
		}
	}
	return false
}

// has says which labels the target carries in place of the selector's.
func (m meant) has() string {
	var words []string
	for _, p := range m.slips {
		if p.newKey == "" {
			words = append(words, "no label "+p.key)
		} else {
			words = append(words, p.newKey+"="+p.newValue)
		}
	}
	return strings.Join(words, " and ")
}

// asks says which pairs of the selector the target lacks.
func (m meant) asks() string {
	var words []string
	for _, p := range m.slips {
		words = append(words, p.key+"="+p.value)
	}
	return strings.Join(words, ",")
}

// pods says whose labels are meant.
func (m meant) pods() string {
	if m.ref.Kind == "Pod" {
		return "Pod " + m.ref.Name + " has"
	}
	return fmt.Sprintf("the pods of %s %s have", m.ref.Kind, m.ref.Name)
}

// fix corrects the selector. It is a patch only when the corrected selector matches the
// meant workload and no other one.
func (m meant) fix(p *analyzers.Pass, svc *corev1.Service, list []target) analyzers.Fix {
	change, after := map[string]any{}, map[string]string{}
	for k, v := range svc.Spec.Selector {
		after[k] = v
	}
	for _, sl := range m.slips {
		if sl.newKey != sl.key {
			change[sl.key] = nil
			delete(after, sl.key)
		}
		if sl.newKey != "" {
			change[sl.newKey] = sl.newValue
			after[sl.newKey] = sl.newValue
		}
	}
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"selector": change}})
	if err != nil || len(after) == 0 {
		return showLabels(p, svc)
	}
	for _, t := range list {
		if t.ref != m.ref && matches(after, t.labels) {
			return showLabels(p, svc)
		}
	}
	return analyzers.Fix{
		Why:   fmt.Sprintf("Make the selector match the pods of %s %s", m.ref.Kind, m.ref.Name),
		Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data},
	}
}

func showLabels(p *analyzers.Pass, svc *corev1.Service) analyzers.Fix {
	return analyzers.Fix{
		Why:  "Show the labels of the pods, to correct the selector",
		Argv: p.Kubectl(svc.Namespace, "get", "pods", "--show-labels"),
	}
}
