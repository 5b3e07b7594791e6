package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kubefathom/fathom"

// rooms says for each room which other rooms it may import. A trailing /* stands for
// all below; the first row that matches a package is its room.
var rooms = []struct {
	room    string
	imports []string
}{
	{"cmd/fathom", []string{"cmd/internal/cli"}},
	{"cmd/internal/house", nil},
	{"cmd/internal/*", []string{"*"}},
	{"analyzers/cluster", nil},
	{"analyzers/diagnose", []string{"analyzers", "analyzers/cluster"}},
	{"analyzers/report", []string{"analyzers", "analyzers/cluster", "analyzers/diagnose"}},
	{"analyzers/why", []string{"analyzers", "analyzers/*"}},
	{"analyzers/all", []string{"analyzers", "analyzers/*"}},
	{"analyzers/analysistest", []string{"analyzers", "analyzers/cluster"}},
	{"analyzers/reach", []string{"analyzers/cluster"}},
	{"analyzers/netpol", []string{"analyzers", "analyzers/cluster", "analyzers/reach"}},
	{"analyzers/*", []string{"analyzers", "analyzers/cluster"}},
	{"analyzers", []string{"analyzers/cluster"}},
	{"knowledge", nil},
	{"llm/redact", nil},
	{"integrations/kube", []string{"analyzers/cluster"}},
	{"integrations/kube/*", []string{"analyzers/cluster"}},
	{"integrations/manifests", []string{"analyzers/cluster"}},
	{"evals/*", []string{"*"}},
	{"evals", []string{"*"}},
}

// owned says which rooms alone may import a third-party package.
var owned = []struct {
	prefix string
	rooms  []string
}{
	{"k8s.io/client-go", []string{"integrations/kube", "integrations/kube/*"}},
	{"k8s.io/component-helpers", []string{"analyzers/*"}},
	{"k8s.io/", []string{"analyzers", "analyzers/*", "integrations/*", "evals", "evals/*"}},
	{"github.com/charmbracelet/x/ansi", []string{"analyzers/report"}},
	{"github.com/spf13/", []string{"cmd/internal/cli", "integrations/kube"}},
	{"github.com/agnivade/levenshtein", []string{"analyzers", "knowledge"}},
	{"golang.org/x/term", []string{"cmd/internal/cli"}},
	{"golang.org/x/sync", []string{"integrations/kube", "cmd/internal/cli"}},
	{"github.com/go-logr/logr", []string{"integrations/kube"}}, // to keep klog quiet
	{"go.yaml.in/yaml", []string{"integrations/manifests"}},
	{"sigs.k8s.io/yaml", []string{"analyzers/report", "analyzers/why", "analyzers/reach", "analyzers/analysistest", "knowledge", "integrations/manifests", "evals", "evals/*"}},
	{"github.com/google/go-cmp", []string{"analyzers/analysistest"}},
}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// TestArrows fails when a room imports what it may not.
func TestArrows(t *testing.T) {
	seen := 0
	for _, p := range list(t) {
		room, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok {
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if why := forbidden(room, imported); why != "" {
				t.Errorf("%s imports %s: %s", room, imported, why)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages of ours were listed: the test looks at nothing", seen)
	}
}

// TestArrowsCatch proves that the rules can fail.
func TestArrowsCatch(t *testing.T) {
	for room, imported := range map[string]string{
		"analyzers/pods":         module + "/integrations/kube",
		"analyzers/cluster":      module + "/analyzers",
		"analyzers/scheduling":   module + "/analyzers/pods",
		"analyzers/services":     "k8s.io/client-go/kubernetes",
		"knowledge":              "k8s.io/api/core/v1",
		"llm/redact":             module + "/analyzers/cluster",
		"cmd/fathom":             module + "/analyzers",
		"analyzers/new":          "example.com/some/library",
		"a/room/without/a/row":   module + "/analyzers",
		"integrations/manifests": module + "/integrations/kube",
	} {
		if forbidden(room, imported) == "" {
			t.Errorf("%s may import %s", room, imported)
		}
	}
	for room, imported := range map[string]string{
		"analyzers/pods":   module + "/analyzers/cluster",
		"cmd/internal/cli": module + "/integrations/kube",
		"analyzers/all":    module + "/analyzers/pods",
		"analyzers/dns":    "strings",
	} {
		if why := forbidden(room, imported); why != "" {
			t.Errorf("%s may not import %s: %s", room, imported, why)
		}
	}
}

func forbidden(room, imported string) string {
	if other, ours := strings.CutPrefix(imported, module+"/"); ours {
		for _, r := range rooms {
			if within(room, r.room) {
				if slices.ContainsFunc(r.imports, func(pattern string) bool { return pattern == "*" || within(other, pattern) }) {
					return ""
				}
				return "the room " + r.room + " may import " + strings.Join(append(r.imports, "no other room"), ", ")
			}
		}
		return "the package has no room in the plan"
	}
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return "" // the standard library
	}
	for _, o := range owned {
		if strings.HasPrefix(imported, o.prefix) {
			if slices.ContainsFunc(o.rooms, func(pattern string) bool { return within(room, pattern) }) {
				return ""
			}
			return "only " + strings.Join(o.rooms, ", ") + " may"
		}
	}
	return "the package belongs to no room"
}

func within(room, pattern string) bool {
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(room, parent+"/")
	}
	return room == pattern
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..", "..")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
