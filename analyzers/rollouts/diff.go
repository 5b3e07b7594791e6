package rollouts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A Change is one difference between two pod templates. Old is empty for what was
// added, New for what was removed. Values are those of the Snapshot, masked there.
type Change struct {
	Path string `json:"path"` // spec.containers[web].image
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// String is "path: old → new", with "none" for what is absent.
func (c Change) String() string {
	word := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return fmt.Sprintf("%s: %s → %s", c.Path, word(c.Old), word(c.New))
}

// Diff says what changed from one pod template to another, what most often breaks a
// rollout first: image, command and arguments, environment, resources, probes, ports,
// volumes, then the rest by path. What controllers add to a template is left out. A nil
// template has nothing in it.
func Diff(from, to *corev1.PodTemplateSpec) []Change {
	d := differ{}
	d.object("", tree(from), tree(to))
	slices.SortStableFunc(d.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(rank(a.Path), rank(b.Path)), cmp.Compare(a.Path, b.Path))
	})
	return d.changes
}

// ownLabels are written by controllers and differ between any two revisions.
var ownLabels = []string{"pod-template-hash", "controller-revision-hash", "pod-template-generation"}

func tree(t *corev1.PodTemplateSpec) map[string]any {
	out := map[string]any{}
	if t == nil {
		return out
	}
	data, err := json.Marshal(t)
	if err != nil || json.Unmarshal(data, &out) != nil {
		return map[string]any{}
	}
	if meta, ok := out["metadata"].(map[string]any); ok {
		delete(meta, "creationTimestamp")
		if labels, ok := meta["labels"].(map[string]any); ok {
			for _, k := range ownLabels {
				delete(labels, k)
			}
		}
	}
	return out
}

// ranks order the changes: the first word that a path contains decides.
var ranks = []string{
	".image", ".command", ".args", ".env[", ".envFrom", ".resources", "Probe", ".ports", ".volumeMounts", ".volumes", ".lifecycle", ".securityContext",
	".serviceAccount", ".nodeSelector", ".tolerations", ".affinity", ".topologySpread", ".priority", ".initContainers", ".containers",
}

func rank(path string) int {
	if i := slices.IndexFunc(ranks, func(w string) bool { return strings.Contains(path, w) }); i >= 0 {
		return i
	}
	if strings.HasPrefix(path, "spec.") {
		return len(ranks)
	}
	return len(ranks) + 1 // labels and annotations
}

// keys are the fields by which entries of lists are told apart; entries of other lists
// have no identity, and such a list is compared as a whole.
var keys = map[string]string{
	"containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name", "env": "name",
	"volumeMounts": "mountPath", "volumeDevices": "devicePath", "imagePullSecrets": "name", "hostAliases": "ip",
}

type differ struct{ changes []Change }

func (d *differ) add(path string, from, to any) {
	d.changes = append(d.changes, Change{Path: path, Old: text(from), New: text(to)})
}

func (d *differ) object(path string, from, to map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(union(from, to))) {
		d.value(join(path, k), k, from[k], to[k])
	}
}

func (d *differ) value(path, name string, from, to any) {
	if empty(from) && empty(to) {
		return
	}
	if name == "ports" {
		d.list(path, name, portKey(from, to), from, to)
		return
	}
	if key, ok := keys[name]; ok {
		d.list(path, name, key, from, to)
		return
	}
	a, aok := from.(map[string]any)
	b, bok := to.(map[string]any)
	// A field of a known structure is compared part by part; a whole probe or affinity
	// that comes or goes is one change.
	if aok && bok || (aok || bok) && descend[name] {
		d.object(path, a, b)
		return
	}
	if text(from) != text(to) {
		d.add(path, from, to)
	}
}

// descend are the objects whose parts say more than the whole even when one side is
// absent.
var descend = map[string]bool{
	"metadata": true, "spec": true, "labels": true, "annotations": true, "resources": true, "limits": true, "requests": true,
	"nodeSelector": true, "securityContext": true,
}

func (d *differ) list(path, name, key string, from, to any) {
	a, aok := entries(from, key)
	b, bok := entries(to, key)
	if !aok || !bok {
		if text(from) != text(to) {
			d.add(path, from, to)
		}
		return
	}
	for _, k := range slices.Sorted(maps.Keys(union(a, b))) {
		at := path + "[" + k + "]"
		x, y := a[k], b[k]
		if x == nil || y == nil || name == "env" {
			if brief(x) != brief(y) {
				d.changes = append(d.changes, Change{Path: at, Old: brief(x), New: brief(y)})
			}
			continue
		}
		d.object(at, x, y)
	}
}

// entries are the members of a list by a field of theirs; ok is false when one lacks it
// or two have the same.
func entries(list any, key string) (out map[string]map[string]any, ok bool) {
	out = map[string]map[string]any{}
	items, _ := list.([]any)
	for _, item := range items {
		m, isMap := item.(map[string]any)
		k := text(m[key])
		if !isMap || k == "" || out[k] != nil {
			return nil, false
		}
		out[k] = m
	}
	return out, true
}

// portKey is name when all ports have one, so that a changed number is a change of that
// port.
func portKey(lists ...any) string {
	for _, list := range lists {
		items, _ := list.([]any)
		for _, item := range items {
			if m, _ := item.(map[string]any); text(m["name"]) == "" {
				return "containerPort"
			}
		}
	}
	return "name"
}

// brief is an entry in one line: its value, where that comes from, its image, or all of
// it.
func brief(m map[string]any) string {
	switch {
	case m == nil:
		return ""
	case len(m) == 2 && m["name"] != nil && m["value"] != nil:
		return text(m["value"])
	case len(m) == 1:
		return `""` // a variable without a value, or a name and nothing else
	}
	if from, ok := m["valueFrom"].(map[string]any); ok && len(from) == 1 {
		for kind, ref := range from {
			if r, ok := ref.(map[string]any); ok {
				return strings.TrimSpace(kind + " " + strings.Trim(text(r["name"])+"/"+text(r["key"])+text(r["fieldPath"])+text(r["resource"]), "/"))
			}
		}
	}
	if image := text(m["image"]); image != "" {
		return image
	}
	return text(m)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	if empty(v) {
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

func union[V any](a, b map[string]V) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
