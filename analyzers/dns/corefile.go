package dns

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A directive is one line of a Corefile's server block, with the block that follows it.
type directive struct {
	name string
	args []string
	line int
}

// A serverBlock is what CoreDNS answers for some zones.
type serverBlock struct {
	keys       []string // zones with their ports: ".:53"
	directives []directive
	line       int
}

// parseCorefile reads the server blocks of a Corefile (github.com/coredns/caddy
// caddyfile/parse.go): a line of keys that ends in a brace, directives, a closing brace.
// Blocks of directives are skipped, as are snippets and what is imported. open is the line
// of a server block that is never closed, or 0.
func parseCorefile(text string) (blocks []serverBlock, open int) {
	depth := 0
	var keys []string
	for i, line := range strings.Split(text, "\n") {
		words := fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "}" {
			depth = max(0, depth-1)
			continue
		}
		opens := words[len(words)-1] == "{"
		if opens {
			words = words[:len(words)-1]
		}
		switch {
		case depth == 0:
			keys = append(keys, words...)
			if opens {
				blocks = append(blocks, serverBlock{keys: keys, line: i + 1})
				keys = nil
			}
		case depth == 1 && len(words) > 0:
			b := &blocks[len(blocks)-1]
			b.directives = append(b.directives, directive{words[0], words[1:], i + 1})
		}
		if opens {
			depth++
		}
	}
	if depth > 0 && len(blocks) > 0 {
		return blocks, blocks[len(blocks)-1].line
	}
	return blocks, 0
}

// fields are the words of a line without its comment.
func fields(line string) []string {
	words := strings.Fields(line)
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
		words = words[:i]
	}
	for i, w := range words {
		words[i] = strings.Trim(w, `"`)
	}
	return words
}

// port is the one on which a block answers.
func (b serverBlock) port() string {
	if len(b.keys) == 0 {
		return ""
	}
	_, port, ok := strings.Cut(strings.TrimPrefix(b.keys[0], "dns://"), ":")
	if !ok {
		return "53"
	}
	return strings.TrimSuffix(port, ",")
}

// corefileOf is the Corefile that a DNS pod reads, out of the ConfigMap that it mounts.
func corefileOf(s *cluster.Snapshot, namespace string, spec *corev1.PodSpec) (cm *corev1.ConfigMap, text string, ok bool) {
	for _, v := range spec.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		if cm, ok := cluster.Find[*corev1.ConfigMap](s, namespace, v.ConfigMap.Name); ok && cm.Data["Corefile"] != "" {
			return cm, cm.Data["Corefile"], true
		}
	}
	return nil, "", false
}

// zones are the cluster's domains as its Corefile names them; none if it was not read.
func zones(s *cluster.Snapshot) []string {
	cm, ok := cluster.Find[*corev1.ConfigMap](s, "kube-system", "coredns")
	if !ok {
		return nil
	}
	var out []string
	blocks, _ := parseCorefile(cm.Data["Corefile"])
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name != "kubernetes" {
				continue
			}
			for _, z := range d.args {
				if z = strings.TrimSuffix(strings.ToLower(z), "."); !strings.HasSuffix(z, ".arpa") && z != "" {
					out = append(out, z)
				}
			}
		}
	}
	return out
}

// lineOf is one line of a text, counted from 1.
func lineOf(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[n-1])
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
