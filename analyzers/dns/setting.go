package dns

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A setting is where a container gets a text from.
type setting struct {
	source analyzers.Ref // the workload or the ConfigMap
	path   string
	value  string
	env    string // name of the variable, if it stands in the pod spec
	key    string // of the ConfigMap
}

// settings are the texts that a container is given: variables, arguments and what comes
// from ConfigMaps. Files of ConfigMaps are included, as programs read them.
func settings(s *cluster.Snapshot, subject analyzers.Ref, spec *corev1.PodSpec, c *corev1.Container) []setting {
	var out []setting
	fromMap := func(name, key, as string) {
		cm, ok := cluster.Find[*corev1.ConfigMap](s, subject.Namespace, name)
		if !ok {
			return
		}
		for _, k := range sortedKeys(cm.Data) {
			if key == "" || k == key {
				out = append(out, setting{source: cluster.RefOf(cm), path: strings.TrimSpace("data[" + k + "] " + as), value: cm.Data[k], key: k})
			}
		}
	}
	for _, e := range c.Env {
		switch {
		case e.Value != "":
			out = append(out, setting{source: subject, path: "env " + e.Name + " of container " + c.Name, value: e.Value, env: e.Name})
		case e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil:
			fromMap(e.ValueFrom.ConfigMapKeyRef.Name, e.ValueFrom.ConfigMapKeyRef.Key, "as env "+e.Name)
		}
	}
	for i, a := range append(append([]string(nil), c.Command...), c.Args...) {
		out = append(out, setting{source: subject, path: "args of container " + c.Name + ", " + strconv.Itoa(i), value: a})
	}
	for _, e := range c.EnvFrom {
		if e.ConfigMapRef != nil {
			fromMap(e.ConfigMapRef.Name, "", "")
		}
	}
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil && mounts(c, v.Name) {
			fromMap(v.ConfigMap.Name, "", "")
		}
	}
	return out
}

func mounts(c *corev1.Container, volume string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return true
		}
	}
	return false
}

// settingOf is the setting that names a host.
func settingOf(s *cluster.Snapshot, l lookup) (setting, bool) {
	for _, x := range settings(s, l.subject, &l.pod.Spec, l.container) {
		if indexOfHost(x.value, l.host) >= 0 {
			return x, true
		}
	}
	return setting{}, false
}

// indexOfHost is where a text names a host, and not a longer name that holds it, or -1.
func indexOfHost(text, host string) int {
	lower := strings.ToLower(text)
	for from := 0; ; {
		i := strings.Index(lower[from:], host)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(host)
		if (i == 0 || !inName(lower[i-1])) && (end == len(lower) || !inName(lower[end])) {
			return i
		}
		from = end
	}
}

func inName(b byte) bool {
	return b == '-' || b == '.' || b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z'
}

func (x setting) evidence(host string) analyzers.Evidence {
	return analyzers.Evidence{Source: x.source.String(), Path: x.path, Quote: x.quote(host)}
}

// quote is the line of the value that names the host.
func (x setting) quote(host string) string {
	for line := range strings.SplitSeq(x.value, "\n") {
		if indexOfHost(line, host) >= 0 {
			return analyzers.Quote(strings.TrimSpace(line))
		}
	}
	return analyzers.Quote(x.value)
}

// rename is the fix that writes another host into the setting.
func (x setting) rename(p *analyzers.Pass, l lookup, to string) []analyzers.Fix {
	value := x.value
	i := indexOfHost(value, l.host)
	// A value that holds a password, or the mask of one, must not be written back.
	plain := i >= 0 && !strings.ContainsAny(value, "@*<\n")
	if plain {
		value = value[:i] + to + value[i+len(l.host):]
	}
	switch {
	case x.env != "" && plain && cluster.RollsOut(l.subject):
		return []analyzers.Fix{{
			Why:  fmt.Sprintf("Make the program ask for %s", to),
			Argv: p.Kubectl(l.subject.Namespace, "set", "env", l.subject.Short(), "-c", l.container.Name, x.env+"="+value),
		}}
	case x.source.Kind == "ConfigMap":
		edit := analyzers.Fix{Why: fmt.Sprintf("Change %s to %s in key %s of ConfigMap %s", l.host, to, x.key, x.source.Name), Argv: p.Kubectl(x.source.Namespace, "edit", "configmap", x.source.Name)}
		if plain {
			data, _ := json.Marshal(map[string]any{"data": map[string]string{x.key: value}})
			edit.Argv = p.Kubectl(x.source.Namespace, "patch", "configmap", x.source.Name, "--type", "merge", "-p", string(data))
		}
		fixes := []analyzers.Fix{edit}
		if cluster.RollsOut(l.subject) {
			fixes = append(fixes, analyzers.Fix{Why: "Then start the pods anew, which read it at their start", Argv: p.Kubectl(l.subject.Namespace, "rollout", "restart", l.subject.Short())})
		}
		return fixes
	}
	return edit(p, l, to)
}

// edit is the fix when nobody sees where the name comes from.
func edit(p *analyzers.Pass, l lookup, to string) []analyzers.Fix {
	return []analyzers.Fix{{Why: fmt.Sprintf("Change %s to %s where the program's settings name it", l.host, to), Argv: p.Kubectl(l.subject.Namespace, "edit", l.subject.Short())}}
}
