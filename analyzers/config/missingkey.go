package config

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MissingKey reports variables that are taken from a key which the ConfigMap or Secret
// does not have. Key names of Secrets are known from manifests only; on a live cluster
// the kubelet's words tell.
var MissingKey = &analyzers.Analyzer{
	Name:  "config/missing-key",
	Doc:   "keys of the environment that their ConfigMap or Secret does not have",
	Needs: []schema.GroupKind{cluster.Pods, cluster.ConfigMaps, cluster.Secrets},
	Emits: []analyzers.Code{missingKey},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			done := map[string]bool{}
			for _, u := range environment(&pod.Spec) {
				if part := u.part(); u.key != "" && !u.optional && !done[part] && reportKey(p, pod, u) {
					done[part] = true
				}
			}
		}
		for o, spec := range unborn(p) {
			done := map[string]bool{}
			for _, u := range environment(spec) {
				keys, known := keysOf(p, o.GetNamespace(), u)
				if u.key == "" || u.optional || done[u.part()] || !known || slices.Contains(keys, u.key) {
					continue
				}
				done[u.part()] = true
				f := lackingKey(p, o, u, keys, nil)
				f.Code, f.Severity = missingKey, analyzers.Warning
				p.Report(f)
			}
		}
		return nil
	},
}

func (u use) part() string { return u.kind + "/" + u.name + ":" + u.key }

// noKey is the kubelet's word (k8s.io/kubernetes pkg/kubelet/kubelet_pods.go).
var noKey = regexp.MustCompile(`couldn't find key (.+) in (ConfigMap|Secret) [^/ ]+/(\S+)`)

func reportKey(p *analyzers.Pass, pod *corev1.Pod, u use) bool {
	var proof []analyzers.Evidence
	said := false
	if w, ok := waiting(pod, u.container); ok {
		if m := noKey.FindStringSubmatch(w.Message); m != nil && m[1] == u.key && m[2] == u.kind && m[3] == u.name {
			said = true
			proof = append(proof, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: statusPath(pod, u.container) + ".state.waiting.message", Quote: analyzers.Quote(w.Message)})
		}
	}
	keys, known := keysOf(p, pod.Namespace, u)
	if known && slices.Contains(keys, u.key) || !known && !said || absent(p, u.ref(pod.Namespace)) {
		return false
	}
	at := containerStage(p, pod, u.container)
	if at == harmless {
		return false
	}
	f := lackingKey(p, pod, u, keys, proof)
	f.Code = missingKey
	if at == risk {
		f.Severity = analyzers.Warning
	}
	if at == risk && runs(pod, u.container) {
		f.Summary = sentence(u.kind+" "+u.name+" has no key "+u.key+" any more", "; container "+u.container+" runs on, but cannot be started again")
	}
	f.Affected = []analyzers.Ref{cluster.RefOf(pod)}
	p.Report(f)
	return true
}

// keysOf are the keys that a variable or volume can take from the object; known is false
// when the object or its keys cannot be seen. A variable takes text only.
func keysOf(p *analyzers.Pass, namespace string, u use) (keys []string, known bool) {
	if u.kind == "Secret" {
		s, ok := cluster.Find[*cluster.Secret](p.Snapshot, namespace, u.name)
		if !ok || len(s.Keys) == 0 {
			return nil, false
		}
		return s.Keys, true
	}
	cm, ok := cluster.Find[*corev1.ConfigMap](p.Snapshot, namespace, u.name)
	if !ok {
		return nil, false
	}
	keys = slices.Collect(maps.Keys(cm.Data))
	if u.volume != "" {
		keys = slices.AppendSeq(keys, maps.Keys(cm.BinaryData))
	}
	slices.Sort(keys)
	return keys, true
}

// lackingKey is the finding that an object has no such key, without a code.
func lackingKey(p *analyzers.Pass, subject cluster.Object, u use, keys []string, proof []analyzers.Evidence) analyzers.Finding {
	ref := u.ref(subject.GetNamespace())
	f := analyzers.Finding{
		Subject: p.Root(subject), Part: u.part(),
		CausedBy: []analyzers.Ref{ref}, Shared: ref.String() + " has no key " + u.key,
		Evidence: append(proof, analyzers.Evidence{Source: cluster.RefOf(subject).String(), Path: u.path, Quote: "key: " + u.key}),
	}
	hint := ""
	if len(keys) > 0 {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "data", Quote: analyzers.Quote("keys: " + strings.Join(keys, ", "))})
		hint = "; it has " + strings.Join(keys[:min(len(keys), 4)], ", ")
		if len(keys) > 4 {
			hint += ", …"
		}
	}
	value, as := "<value>", ""
	if near, ok := nearKey(u.key, keys); ok {
		value, as = "<value of "+near+">", ", with the value of "+near+", which was probably meant"
		hint = "; " + near + " was probably meant"
		f.Fixes = replace(p, subject, u, func(u use) string { return u.keyAt }, near, "Use key "+near+", which was probably meant")
	}
	user := "container " + u.container + " needs"
	if u.volume != "" {
		user = "volume " + u.volume + " needs"
	}
	f.Summary = sentence(u.kind+" "+u.name+" has no key "+u.key, ", which "+user, hint)
	field := "data"
	if u.kind == "Secret" {
		field = "stringData"
	}
	patch, _ := json.Marshal(map[string]map[string]string{field: {u.key: "VALUE"}})
	f.Fixes = append(f.Fixes, analyzers.Fix{
		Why:  "Add key " + u.key + " to the " + u.kind + as,
		Argv: p.Kubectl(subject.GetNamespace(), "patch", lower(u.kind), u.name, "--type", "merge", "-p", strings.Replace(string(patch), `"VALUE"`, `"`+value+`"`, 1)),
	})
	f.Fixes = append(f.Fixes, rollback(p, subject, u)...)
	f.Fixes = f.Fixes[:min(len(f.Fixes), 3)]
	return f
}

// nearKey also takes a key that has the wanted one as its last words, or the other way
// about: TTL and CACHE_TTL, password and db-password; and the same file name with another
// ending: app.yaml and app.json.
func nearKey(key string, keys []string) (string, bool) {
	if near, ok := analyzers.Nearest(key, keys); ok {
		return near, true
	}
	norm := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == '.' {
				return '_'
			}
			return r
		}, strings.ToLower(s))
	}
	found := ""
	for _, k := range keys {
		a, b := norm(k), norm(key)
		if strings.HasSuffix(a, "_"+b) || strings.HasSuffix(b, "_"+a) || a == b || sameStem(k, key) {
			if found != "" {
				return "", false // two of them: neither was probably meant
			}
			found = k
		}
	}
	return found, found != ""
}

func sameStem(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	return i > 0 && j > 0 && a[:i] == b[:j]
}
