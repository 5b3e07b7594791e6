package manifests

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const two = `# a comment
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
--- # the last one
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
`

func read(t *testing.T, text string) *cluster.Snapshot {
	t.Helper()
	s, _, err := stdin(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stdin(in io.Reader) (*cluster.Snapshot, Stats, error) {
	return Load("-", Options{Stdin: in})
}

func TestReadDocuments(t *testing.T) {
	s := read(t, two)
	if _, ok := cluster.Find[*corev1.Service](s, "shop", "web"); !ok || s.Count() != 2 {
		t.Errorf("%d objects", s.Count())
	}
	if s.Sees(cluster.Services, "shop") || s.Sees(cluster.Pods, "shop") {
		t.Error("a file must never prove that something does not exist")
	}
	if a := s.Access(cluster.Pods); len(a) != 1 || a[0].State != cluster.NotCollected {
		t.Errorf("access of what is not there: %+v", a)
	}
	if a := s.Access(cluster.Services); len(a) != 1 || a[0].State != cluster.Partial {
		t.Errorf("access of what is there: %+v", a)
	}
}

func TestReadLists(t *testing.T) {
	for name, text := range map[string]string{
		"kubectl's List":      `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"n1"}}]}`,
		"the server's list":   `{"apiVersion":"apps/v1","kind":"DeploymentList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","namespace":"n1"}}]}`,
		"a list within lists": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n1}}\n",
	} {
		s := read(t, text)
		if _, ok := cluster.Find[*appsv1.Deployment](s, "n1", "a"); !ok {
			t.Errorf("%s: the Deployment is not there", name)
		}
	}
}

func TestNamespaceDefaultsAsInApply(t *testing.T) {
	s := read(t, "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, namespace: odd}\n")
	if _, ok := cluster.Find[*corev1.Service](s, "default", "web"); !ok {
		t.Error("no namespace is not default")
	}
	if _, ok := cluster.Find[*corev1.Node](s, "", "n1"); !ok {
		t.Error("a Node has got a namespace")
	}
}

func TestReadRefuses(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [*" + strings.Join(slices.Repeat([]string{prev}, 9), ",*") + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":         {"", "holds no Kubernetes objects"},
		"only comments":   {"# x\n---\n# y\n", "holds no Kubernetes objects"},
		"only unknown":    {"apiVersion: example.com/v1\nkind: Widget\n", "nothing that fathom reads, but 1 × Widget.example.com"},
		"broken YAML":     {two + "---\na: [\n", "standard input: document at line 14: not YAML"},
		"a scalar":        {"hello", "needs apiVersion and kind"},
		"a sequence":      {"- a\n- b\n", "needs apiVersion and kind"},
		"no kind":         {"apiVersion: v1\nmetadata: {name: x}\n", "needs apiVersion and kind"},
		"binary":          {"a\x00b", "binary data"},
		"a wrong type":    {"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: 3\n", "document at line 1: read Pod"},
		"a climbing name": {"apiVersion: v1\nkind: Pod\nmetadata: {name: ../../x}\n", "impossible name"},
		"deep nesting":    {"apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: " + strings.Repeat("{a: ", 300) + "1" + strings.Repeat("}", 300) + "}\n", "nested deeper"},
		"an alias bomb":   {bomb, "document at line 1"},
		"a broken item":   {`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"ok"}}, 7]}`, "item 1"},
	} {
		_, _, err := stdin(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReadRefusesHugeInput(t *testing.T) {
	if _, _, err := stdin(bytes.NewReader(bytes.Repeat([]byte("#\n"), maxFileBytes/2+1))); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("%v", err)
	}
}

func TestLoadFolder(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: stolen, namespace: x}\n")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), two)
	write(t, filepath.Join(dir, "deep", "b.yml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\n")
	write(t, filepath.Join(dir, "c.json"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"shop"}}`)
	write(t, filepath.Join(dir, "README.md"), "not: [yaml")
	write(t, filepath.Join(dir, ".git", "x.yaml"), "not: [yaml")
	for link, target := range map[string]string{"out.yaml": filepath.Join(outside, "secret.yaml"), "dir": outside, "loop": "."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s, stats, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Count() != 4 {
		t.Errorf("%d objects, want 4", s.Count())
	}
	want := Stats{Files: 3, Objects: 4, Skipped: []Skipped{{"link that leads nowhere, or special file", 1}, {"Widget.example.com", 1}}}
	slices.SortFunc(want.Skipped, func(a, b Skipped) int { return strings.Compare(a.What, b.What) })
	slices.SortFunc(stats.Skipped, func(a, b Skipped) int { return strings.Compare(a.What, b.What) })
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, ok := cluster.Find[*corev1.Pod](s, "x", "stolen"); ok {
		t.Error("a symbolic link led out of the folder")
	}
	write(t, filepath.Join(dir, "deep", "z.yaml"), "kind: [\n")
	if _, _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), "deep/z.yaml: document at line 1") {
		t.Errorf("%v", err)
	}
	if _, _, err := Load(filepath.Join(dir, "none"), Options{}); err == nil {
		t.Error("what is not there must be an error")
	}
	one, _, err := Load(filepath.Join(dir, "c.json"), Options{})
	if err != nil || one.Count() != 1 {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSecretValuesAreDropped(t *testing.T) {
	s := read(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: n1}\nstringData: {password: hunter2}\n")
	var b bytes.Buffer
	if err := cluster.WriteCapture(&b, s); err != nil {
		t.Fatal(err)
	}
	secret, _ := cluster.Find[*cluster.Secret](s, "n1", "s")
	if len(secret.Keys) != 1 || secret.Keys[0] != "password" {
		t.Errorf("keys %v", secret.Keys)
	}
}

// FuzzLoad: no input may panic or hang, and none may yield an empty Snapshot without an
// error, which would read as a clean bill. A list that is cut into its items gives the
// same objects as the whole.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(two))
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}]}`))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n- {apiVersion: v1, kind: Node, metadata: {name: b}}\nkind: List\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _, err := stdin(bytes.NewReader(data))
		if err == nil && s.Count() == 0 {
			t.Error("an empty snapshot without an error")
		}
		cut := newLoader(Options{})
		done, err := cut.largeList("x", document{line: 1, text: data})
		if !done || err != nil {
			return
		}
		whole := newLoader(Options{})
		if err := whole.document("x", document{line: 1, text: data}); err != nil {
			return // in pieces a little more passes: what stands behind a brace, say
		}
		if diff := cmp.Diff(captured(t, whole), captured(t, cut)); diff != "" {
			t.Errorf("-whole +pieces\n%s", diff)
		}
	})
}

func captured(t *testing.T, l *loader) string {
	t.Helper()
	s := l.builder.Build()
	var out []any
	for _, k := range cluster.Kinds() {
		for _, o := range s.Objects(k.GroupKind()) {
			out = append(out, o)
		}
	}
	data, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
