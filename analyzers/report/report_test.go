package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	missing  = analyzers.Code{ID: "configmap-or-secret-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Referenced Secret does not exist"}
	deadline = analyzers.Code{ID: "rollout-progress-deadline", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Rollout stuck"}
	at       = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func ref(kind, name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "apps/v1", Kind: kind, Namespace: "shop", Name: name}
}

// hostile is what an attacker can put into a log line, an event or an annotation.
const hostile = "a\x1b[2J\x1b]0;owned\x07b\r\n::error::x\u202egnp.exe \u009b31m <script>@everyone</script> `x` | [l](http://e) \xff"

func example(text string) *Report {
	b := cluster.NewBuilder(cluster.Info{Context: "prod-eu", Version: "v1.37.2", CapturedAt: at, Namespaces: []string{"shop"}})
	b.AddAccess(cluster.Access{Kind: "Pod", State: cluster.Complete}, cluster.Access{Kind: "Node", State: cluster.Forbidden, Why: "403 Forbidden", Hint: "kubectl auth can-i list nodes"})
	list := []*analyzers.Analyzer{{Name: "config/missing", Needs: []schema.GroupKind{cluster.Pods, cluster.Nodes}}}
	root := analyzers.Finding{
		Code: missing, Severity: analyzers.Error, Subject: analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "db"},
		Summary: "Secret db does not exist " + text, Affected: []analyzers.Ref{ref("Deployment", "api"), ref("Deployment", "web")}, Count: 2,
		Evidence: []analyzers.Evidence{
			{Source: "Pod shop/api-1", Path: "status.containerStatuses[0].state.waiting.message", Quote: `secret "db" not found` + text, At: at},
			{Source: "Pod shop/web-1", Quote: "second" + text},
		},
	}
	d := diagnose.Diagnosis{
		ID: "0123abcd", Severity: analyzers.Critical, RootCause: root,
		Consequences: []diagnose.Consequence{
			{Finding: analyzers.Finding{Code: missing, Severity: analyzers.Error, Subject: ref("Deployment", "api"), Summary: "Container api cannot start" + text, Count: 1}, Depth: 1},
			{Finding: analyzers.Finding{Code: deadline, Severity: analyzers.Error, Subject: ref("Deployment", "api"), Summary: "0 of 2 new pods are ready", Count: 1}, Depth: 2},
			{Finding: analyzers.Finding{Code: missing, Severity: analyzers.Error, Subject: ref("Deployment", "web"), Summary: "Container web cannot start", Count: 1}, Depth: 1},
			{Finding: analyzers.Finding{Code: deadline, Severity: analyzers.Error, Subject: ref("Deployment", "web"), Summary: "0 of 2 new pods are ready", Count: 1}, Depth: 2},
		},
		Fixes: []analyzers.Fix{
			{Why: "Create the Secret" + text, Argv: []string{"kubectl", "-n", "shop", "create", "secret", "generic", "db", "--from-literal=a b"}, Proof: analyzers.Suggested},
			{Why: "Point to another one", Argv: []string{"kubectl", "patch"}, Patch: &analyzers.Patch{Target: root.Subject, Data: []byte(`{"a":1}`)}, Proof: analyzers.Proven},
		},
		Unserved: []analyzers.Ref{{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "api"}},
	}
	return New(b.Build(), list, []diagnose.Diagnosis{d}, []analyzers.Failure{{Analyzer: "dns/loop", Err: errors.New("broke" + text)}})
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		format string
		o      Options
	}{
		"text":         {"text", Options{}},
		"text-40":      {"text", Options{Width: 40}},
		"text-details": {"text", Options{Details: true, Width: 120}},
		"text-color":   {"text", Options{Color: true}},
		"markdown":     {"markdown", Options{}},
		"json":         {"json", Options{}},
		"yaml":         {"yaml", Options{}},
		"name":         {"name", Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Formats[c.format](&b, example(""), c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (write it with -update):\n%s", file, d)
	}
}

// TestHostileText: nothing from a cluster may carry a control sequence, hide text, or
// start a line of its own in any rendering.
func TestHostileText(t *testing.T) {
	for _, format := range FormatNames() {
		var b bytes.Buffer
		if err := Formats[format](&b, example(hostile), Options{Details: true}); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(b.String(), "\n") {
			for _, r := range line {
				if unicode.IsControl(r) || r == '\u202e' {
					t.Errorf("%s line %d holds %U: %q", format, i+1, r, line)
				}
			}
			if strings.HasPrefix(strings.TrimSpace(line), "::") {
				t.Errorf("%s line %d starts a workflow command: %q", format, i+1, line)
			}
		}
		// Inside a code span markup and mentions have no effect.
		plain := regexp.MustCompile("(?s)(`+).*?[^`](`+)").ReplaceAllString(b.String(), "")
		if format == "markdown" && (strings.Contains(plain, "<script>") || strings.Contains(plain, "@everyone")) {
			t.Errorf("markdown lets markup through:\n%s", plain)
		}
	}
}

// TestWidth: no line is wider than the terminal, but for commands, which are copied.
func TestWidth(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120, 200} {
		var b bytes.Buffer
		if err := Text(&b, example(" 資料庫連線失敗 and a rather long sentence that has to be wrapped somewhere"), Options{Width: width, Details: true}); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if strings.Contains(line, "kubectl") {
				continue
			}
			if w := ansi.StringWidth(line); w > width {
				t.Errorf("width %d: %d columns: %q", width, w, line)
			}
		}
	}
}

// TestFields pins the names of the public JSON: a name may be added, none may go.
func TestFields(t *testing.T) {
	pinned := map[string][]string{
		"Report":    {"apiVersion", "kind", "cluster", "scope", "diagnoses", "unchecked", "failed", "checked"},
		"Cluster":   {"context", "version", "capturedAt"},
		"Scope":     {"namespaces"},
		"Diagnosis": {"id", "severity", "rootCause", "consequences", "fixes", "unserved"},
		"Finding":   {"code", "severity", "subject", "summary", "count", "affected", "evidence"},
		"Ref":       {"apiVersion", "kind", "namespace", "name"},
		"Evidence":  {"source", "path", "quote", "at"},
		"Fix":       {"why", "command", "argv", "patch", "proof"},
		"Unchecked": {"kind", "namespace", "why", "hint", "state"},
		"Failed":    {"analyzer", "error"},
	}
	for _, v := range []any{Report{}, Cluster{}, Scope{}, Diagnosis{}, Finding{}, analyzers.Ref{}, analyzers.Evidence{}, Fix{}, Unchecked{}, Failed{}} {
		typ := reflect.TypeOf(v)
		var have []string
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			have = append(have, name)
		}
		for _, name := range pinned[typ.Name()] {
			if !slices.Contains(have, name) {
				t.Errorf("%s has lost the field %q", typ.Name(), name)
			}
		}
	}
}

// TestEmptyListsAreLists: a program that reads the JSON must never meet null.
func TestEmptyListsAreLists(t *testing.T) {
	r := New(cluster.NewBuilder(cluster.Info{CapturedAt: at}).Build(), nil, []diagnose.Diagnosis{{}}, nil)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "null") {
		t.Errorf("null in %s", data)
	}
}

func TestNothingFoundAndNothingSeenDiffer(t *testing.T) {
	b := cluster.NewBuilder(cluster.Info{CapturedAt: at})
	list := []*analyzers.Analyzer{{Name: "a/b", Needs: []schema.GroupKind{cluster.Pods}}}
	render := func(r *Report) string {
		var out bytes.Buffer
		if err := Text(&out, r, Options{}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	blind := New(b.Build(), list, nil, nil)
	b.AddAccess(cluster.Access{Kind: "Pod", State: cluster.Complete})
	seen := New(b.Build(), list, nil, nil)
	if seen.Incomplete() || !blind.Incomplete() {
		t.Error("Incomplete is wrong")
	}
	if !strings.Contains(render(seen), "No problem found  (") || !strings.Contains(render(blind), "in what could be read") {
		t.Errorf("%s\n%s", render(seen), render(blind))
	}
}

func TestAbout(t *testing.T) {
	r := example("")
	for name, want := range map[string]int{"api": 1, "web": 1, "other": 0} {
		if got := len(r.About(ref("Deployment", name))); got != want {
			t.Errorf("About(%s) = %d diagnoses, want %d", name, got, want)
		}
	}
	if len(r.About(analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "api"})) != 1 {
		t.Error("a Service without ready pods is part of the diagnosis")
	}
}
