package manifests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\n"

// A string of 1 MiB that is repeated 100,000 times would be 100 GiB of JSON; the YAML
// parser's own limit counts nodes and lets it pass.
func TestAliases(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct{ text, want string }{
		"long string": {"a: &a " + long + "\nb: [" + strings.Repeat("*a,", 100_000) + "]\n", "write out to more than 64 MiB"},
		"in layers":   {"a: &a [" + strings.Repeat("xxxxxxxx,", 100) + "]\nb: &b [" + strings.Repeat("*a,", 100) + "]\nc: &c [" + strings.Repeat("*b,", 100) + "]\nd: [" + strings.Repeat("*c,", 100) + "]\n", "write out to more than 64 MiB"},
		"cycle":       {"a: &a [*a]\n", "stands inside of what it repeats"},
		"two cycles":  {"a: &a {x: &b {y: *a}, z: *b}\n", "stands inside of what it repeats"},
		"a few":       {pod + "spec: {nodeSelector: &n {disk: ssd}, containers: [{name: a, resources: {limits: &l {cpu: 1}, requests: *l}}]}\nx: *n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := stdin(strings.NewReader(c.text))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Each of these must end soon, without a panic, in an error or a Snapshot.
func TestHostileInput(t *testing.T) {
	deep := 200_000
	for name, text := range map[string]string{
		"brackets":             strings.Repeat("[", deep),
		"braces":               strings.Repeat(`{"a":`, deep),
		"json lists":           strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 5000) + strings.Repeat("]}", 5000),
		"sequences":            strings.Repeat("- ", deep),
		"indentation":          nested(3000),
		"marks":                strings.Repeat("---\n", deep),
		"list of nulls":        `{"apiVersion":"v1","kind":"List","items":[null]}`,
		"list of a list":       `{"apiVersion":"v1","kind":"List","items":{"a":1}}`,
		"kind of another type": `{"apiVersion":1,"kind":["Pod"]}`,
		"numbers":              `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"priority":1e999}}`,
		"quantity":             pod + "spec: {containers: [{name: a, resources: {limits: {cpu: 1" + strings.Repeat("0", 10000) + "}}}]}\n",
		"tag":                  "!!python/object/apply:os.system [\"true\"]\n",
		"binary tag":           "a: !!binary aGVsbG8=\n",
		"merge":                "a: &a {x: 1}\nb: {<<: [*a, *a], <<: *a}\n",
		"escapes":              pod + "x: \"\\x1b[31m\\u0000\"\n",
		"carriage returns":     strings.ReplaceAll(pod, "\n", "\r"),
		"key of a map":         "{[a]: b, {c: d}: e}\n",
		"key that is nothing":  "? \n: x\n",
		"directive":            "%YAML 9.9\n---\n" + pod,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			s, _, err := stdin(strings.NewReader(text))
			if err == nil && s.Count() == 0 {
				t.Error("an empty snapshot without an error")
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Hint == "" || strings.ContainsAny(err.Error(), "\x1b\n\r")) {
				t.Errorf("%q, hint %q", err, e.Hint)
			}
		})
	}
}

func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
		want string
	}{
		"first document":  {"a: [\n", 1, "not YAML: line 1: did not find expected node content"},
		"after a mark":    {pod + "---\n# c\n\na: b: c\n", 5, "not YAML: line 7: mapping values are not allowed"},
		"behind the mark": {pod + "--- {a: b: c}\n", 4, "not YAML: "},
		"after an end":    {pod + "...\n---\na: b: c\n", 6, "not YAML: mapping values"},
		"windows":         {strings.ReplaceAll(pod+"---\na: b: c\n", "\n", "\r\n"), 5, "not YAML: mapping values"},
		"json":            {"\n{\n\"a\": 1,\n}\n", 2, "not JSON: invalid character '}' looking for beginning of object key string, at line 4"},
		"json cut":        {"{\"apiVersion\": \"v1\",\n\"kind\": \"Pod\",\n", 1, "the JSON ends in the middle"},
		"second json":     {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}` + "\n{\"kind\":\n\"Pod\"}\n", 2, "needs apiVersion and kind"},
		"template":        {pod + "---\nkind: {{ .Values.kind }}\n", 5, "not YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := stdin(strings.NewReader(c.text))
			var e *Error
			if !errors.As(err, &e) || e.Line != c.line || !strings.Contains(e.Message, c.want) || e.Hint == "" {
				t.Errorf("%v, want %q at line %d", err, c.want, c.line)
			}
			if name == "template" && !strings.Contains(e.Hint, "helm template") {
				t.Errorf("hint %q", e.Hint)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	wide := func(order binary.ByteOrder, mark ...byte) string {
		out := bytes.NewBuffer(mark)
		for _, u := range utf16.Encode([]rune(pod + "# 文\n")) {
			_ = binary.Write(out, order, u)
		}
		return out.String()
	}
	for name, text := range map[string]string{
		"byte order mark":      "\xef\xbb\xbf" + pod,
		"PowerShell":           wide(binary.LittleEndian, 0xff, 0xfe),
		"UTF-16 big endian":    wide(binary.BigEndian, 0xfe, 0xff),
		"windows lines":        strings.ReplaceAll(pod, "\n", "\r\n"),
		"mark, windows lines":  "---\r\n" + strings.ReplaceAll(pod, "\n", "\r\n") + "---\r\n",
		"no newline at end":    strings.TrimSpace(pod),
		"a mark in a string":   pod + "x: |\n  ---\n  y\n",
		"comment before":       "# hello\n---\n" + pod + "...\n",
		"on the mark's line":   "--- {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}}\n",
		"json after blanks":    "\n \n" + `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop"}}`,
		"json values in a row": `{"apiVersion":"example.com/v1","kind":"Widget"} {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := stdin(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := cluster.Find[*corev1.Pod](s, "shop", "p"); !ok || s.Count() != 1 {
				t.Errorf("%d objects", s.Count())
			}
		})
	}
	for name, text := range map[string]string{"zero": "a\x00b", "latin-1": "a: \xe4\n", "odd UTF-16": "\xff\xfea", "gzip": "\x1f\x8b\x08\x00"} {
		if _, _, err := stdin(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "neither YAML nor JSON") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	s, stats, err := stdin(strings.NewReader(pod + `---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: a}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: b}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: h}
---
apiVersion: v1
kind: ConfigMap
data: {a: b}
---
apiVersion: batch/v1
kind: Job
metadata: {generateName: nightly-}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(stats.Skipped); got != "[{Rollout.argoproj.io 2} {ConfigMap without a name 1} {HorizontalPodAutoscaler.autoscaling in version v1 1}]" {
		t.Error(got)
	}
	if stats.Objects != 2 || s.Count() != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestFolderIsNotRendered(t *testing.T) {
	for name, hint := range map[string]string{"kustomization.yaml": "kubectl kustomize ", "Kustomization": "kubectl kustomize ", "Chart.yaml": "helm template "} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "app", name), "resources: []\n")
		write(t, filepath.Join(dir, "app", "p.yaml"), pod)
		_, _, err := Load(dir, Options{})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, hint+filepath.Join(dir, "app")) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := Load(filepath.Join(dir, "app", "p.yaml"), Options{}); err != nil { // asked for by name
			t.Error(err)
		}
	}
}

func TestFolderWithOtherFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p.yaml"), pod)
	write(t, filepath.Join(dir, "values.yaml"), "replicas: 3\n")
	write(t, filepath.Join(dir, "list.yaml"), "- a\n")
	write(t, filepath.Join(dir, ".hidden.yaml"), "a: [\n")
	write(t, filepath.Join(dir, "data", "real.txt"), pod)
	if runtime.GOOS != "windows" {
		for link, target := range map[string]string{"in.yaml": "data/real.txt", "self.yaml": "self.yaml", "device.yaml": "/dev/zero"} {
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, stats, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Count() != 1 || stats.Objects != 2 { // the same pod twice: a link inside the folder is followed
		t.Errorf("%d objects, %+v", s.Count(), stats)
	}
	if got := fmt.Sprint(stats.Skipped); got != "[{document without apiVersion and kind 2} {link that leads nowhere, or special file 2}]" {
		t.Error(got)
	}
}

func TestFolderLimits(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 1 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), "more than 10000 files") {
		t.Error(err)
	}
	l := &loader{left: 10}
	if err := l.stream("x.yaml", strings.NewReader("# eleven ..")); err == nil || !strings.Contains(err.Error(), "more than 512 MiB") {
		t.Error(err)
	}
}

// A large list is read item by item, with the same result as a small one.
func TestLargeList(t *testing.T) {
	list := func(n int, tail string) string {
		var b strings.Builder
		b.WriteString("apiVersion: v1\nitems:\n")
		for i := range n {
			fmt.Fprintf(&b, "- apiVersion: v1\n  data:\n    text: |\n      - one\n\n      two\n  kind: ConfigMap\n  metadata:\n    name: c%d\n    annotations: {filler: %q}\n", i, strings.Repeat("x", 1000))
		}
		return b.String() + tail + "kind: List\nmetadata:\n  resourceVersion: \"\"\n"
	}
	const n = splitFrom/1000 + 1
	small, large := read(t, list(5, "")), read(t, list(n, ""))
	if small.Count() != 5 || large.Count() != n {
		t.Fatalf("%d and %d objects", small.Count(), large.Count())
	}
	a, _ := cluster.Find[*corev1.ConfigMap](small, "default", "c4")
	b, _ := cluster.Find[*corev1.ConfigMap](large, "default", "c4")
	if diff := cmp.Diff(a, b); diff != "" || a.Data["text"] != "- one\n\ntwo\n" {
		t.Errorf("%s", diff)
	}
	done, err := (&loader{}).largeList("x", document{line: 1, text: []byte(list(n, "- {kind: x, apiVersion: v1}\n- \"a\n- b\"\n"))})
	if done || err != nil {
		t.Errorf("a list with a string over two lines was cut: %v", err)
	}
	_, _, err = stdin(strings.NewReader(list(n, "- apiVersion: v1\n  kind: Pod\n  spec: 7\n")))
	var e *Error
	if !errors.As(err, &e) || e.Line != 10*n+3 || !strings.Contains(e.Message, fmt.Sprintf("item %d: read Pod", n)) {
		t.Errorf("%v", err)
	}
}

func TestNoInput(t *testing.T) {
	for name, in := range map[string]io.Reader{"none": nil, "broken": iotest.ErrReader(errors.New("read on closed pipe"))} {
		_, _, err := Load("-", Options{Stdin: in})
		var e *Error
		if !errors.As(err, &e) || e.File != "standard input" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "open ") {
		t.Error(err)
	}
}

// The clock of a file without a date is the newest time in it.
func TestClock(t *testing.T) {
	s, _, err := stdin(strings.NewReader(strings.Replace(pod, "{name", "{creationTimestamp: 2026-03-01T10:00:00Z, name", 1) + "status: {conditions: [{type: Ready, status: \"False\", lastTransitionTime: 2026-03-01T11:00:00Z}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC); !s.Now().Equal(want) {
		t.Errorf("%s", s.Now())
	}
}

func TestOptions(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {password: hunter2}\n"
	s, _, err := Load("-", Options{Stdin: strings.NewReader(text), Namespace: "shop", Redactor: stars{}})
	if err != nil {
		t.Fatal(err)
	}
	c, ok := cluster.Find[*corev1.ConfigMap](s, "shop", "c")
	if !ok || c.Data["password"] != "***" {
		t.Errorf("%+v", c)
	}
}

type stars struct{}

func (stars) Text(s string) string        { return s }
func (stars) Value(string, string) string { return "***" }
func (stars) Args(args []string) []string { return args }
