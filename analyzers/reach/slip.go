package reach

import (
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A labelMiss is one label of a selector that misses by little.
type labelMiss struct {
	key, value       string // as the selector has it
	newKey, newValue string // as the pod has it
	want, have       string // the two as text
}

func (m labelMiss) mend(sel *metav1.LabelSelector) {
	delete(sel.MatchLabels, m.key)
	sel.MatchLabels[m.newKey] = m.newValue
}

// patch is the merge patch of the selector's matchLabels.
func (m labelMiss) patch(*metav1.LabelSelector) map[string]any {
	out := map[string]any{m.newKey: m.newValue}
	if m.key != m.newKey {
		out[m.key] = nil
	}
	return out
}

// Mistaken reports how a selector misses a set of labels by one label that is nearly
// right: a slip of a letter or two in its value, or its value under another of the usual
// keys. want and have are the two as text.
func Mistaken(sel *metav1.LabelSelector, set map[string]string) (want, have string, ok bool) {
	m, ok := labelSlip(sel, set)
	return m.want, m.have, ok
}

func labelSlip(sel *metav1.LabelSelector, set map[string]string) (labelMiss, bool) {
	if sel == nil || len(sel.MatchLabels) == 0 {
		return labelMiss{}, false
	}
	if rest := (&metav1.LabelSelector{MatchExpressions: sel.MatchExpressions}); !selects(rest, set) {
		return labelMiss{}, false
	}
	var missed []string
	for k, v := range sel.MatchLabels {
		if have, ok := set[k]; !ok || have != v {
			missed = append(missed, k)
		}
	}
	if len(missed) != 1 {
		return labelMiss{}, false
	}
	key := missed[0]
	m := labelMiss{key: key, value: sel.MatchLabels[key], want: key + "=" + sel.MatchLabels[key]}
	if have, ok := set[key]; ok && similar(m.value, have) {
		m.newKey, m.newValue = key, have
	} else if other, ok := sameValue(key, m.value, set); ok {
		m.newKey, m.newValue = other, set[other]
	} else {
		return labelMiss{}, false
	}
	m.have = m.newKey + "=" + m.newValue
	return m, true
}

// nameKeys all say what program a pod runs, and are easily taken for one another.
var nameKeys = []string{"app", "app.kubernetes.io/name", "k8s-app", "name", "run", "app.kubernetes.io/instance", "app.kubernetes.io/component", "component", "service", "tier", "role"}

// sameValue finds the key under which labels have a value that a selector asks for under
// another key.
func sameValue(key, value string, set map[string]string) (string, bool) {
	for k, v := range set {
		if strings.EqualFold(k, key) && k != key && v == value {
			return k, true
		}
	}
	if !slices.Contains(nameKeys, key) {
		return "", false
	}
	for _, k := range nameKeys {
		if k != key && set[k] == value {
			return k, true
		}
	}
	return "", false
}

// namespaceSlip reports how a namespaceSelector misses a namespace that it was meant for:
// by a letter or two of its name, or by a label that it has not and whose value is its name.
func namespaceSlip(s *cluster.Snapshot, sel *metav1.LabelSelector, name string) (labelMiss, bool) {
	set, sure := namespaceLabels(s, name)
	if !sure || len(sel.MatchLabels) != 1 || len(sel.MatchExpressions) > 0 {
		return labelMiss{}, false
	}
	for k, v := range sel.MatchLabels {
		m := labelMiss{key: k, value: v, newKey: nameLabel, newValue: name, want: k + "=" + v, have: "no label " + k}
		have, has := set[k]
		if has {
			m.have = k + "=" + have
		}
		switch {
		case has && similar(v, have):
			return m, true
		case v == name, !has && similar(v, name) && s.Sees(cluster.Namespaces, "") && !anyNamespaceHas(s, k):
			return m, true
		}
	}
	return labelMiss{}, false
}

func anyNamespaceHas(s *cluster.Snapshot, key string) bool {
	for ns := range cluster.All[*corev1.Namespace](s) {
		if _, ok := ns.Labels[key]; ok {
			return true
		}
	}
	return false
}

// similar reports whether one value is the other with a slip of the pen: one or two
// letters, and not only digits, which tell versions and colours of one thing apart.
func similar(a, b string) bool {
	if a == b {
		return false
	}
	d := distance([]rune(strings.ToLower(a)), []rune(strings.ToLower(b)))
	return d <= 2 && d*3 <= max(len(a), len(b)) && withoutDigits(a) != withoutDigits(b) || strings.EqualFold(a, b)
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, s)
}

// distance is how many letters have to be added, dropped or changed (Levenshtein).
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// selectorText is a selector in kubectl's words.
func selectorText(sel *metav1.LabelSelector) string {
	if sel == nil || emptySelector(sel) {
		return "any label"
	}
	return metav1.FormatLabelSelector(sel)
}

// MistakenNamespace reports a namespaceSelector that no namespace fits, and the namespace
// that it was probably meant for. want and have are the labels as text.
func MistakenNamespace(s *cluster.Snapshot, sel *metav1.LabelSelector) (want, have, meant string, ok bool) {
	if sel == nil || emptySelector(sel) || !s.Sees(cluster.Namespaces, "") {
		return "", "", "", false
	}
	for ns := range cluster.All[*corev1.Namespace](s) {
		if selectsNamespace(s, sel, ns.Name).truth != no {
			return "", "", "", false
		}
		if m, near := namespaceSlip(s, sel, ns.Name); near && !ok && (m.value == ns.Name || m.key == nameLabel) {
			want, have, meant, ok = m.want, m.have, ns.Name, true
		}
	}
	return want, have, meant, ok
}
