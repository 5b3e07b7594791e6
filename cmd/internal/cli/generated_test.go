package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/all"
)

var update = flag.Bool("update", false, "write the generated parts")

const root = "../../.."

// TestGeneratedReadme keeps the first screen of the README what the demo prints.
func TestGeneratedReadme(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := Main([]string{"fathom", "demo"}, strings.NewReader(""), &out, &errOut); code != exitClean {
		t.Fatalf("fathom demo: code %d, %s", code, &errOut)
	}
	var b strings.Builder
	b.WriteString("\n```console\n$ fathom demo\n")
	b.WriteString(firstScreen(out.String(), 3))
	b.WriteString("```\n\n")
	section(t, filepath.Join(root, "README.md"), "demo", b.String())
}

// firstScreen is the head of a report: its first line, n diagnoses, and its verdict.
func firstScreen(text string, n int) string {
	blocks := strings.Split(text, "\n\n")
	last := blocks[len(blocks)-1]
	for i, block := range blocks {
		if strings.Contains(block, "root causes") {
			last = strings.Join(blocks[i:], "\n\n")
			break
		}
	}
	return strings.Join(blocks[:n+1], "\n\n") + "\n\n…\n\n" + last
}

// TestGeneratedChecks keeps the table of all checks and their codes.
func TestGeneratedChecks(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| check | finds | codes |\n|---|---|---|\n")
	codes := map[string]bool{}
	for _, a := range all.Analyzers {
		doc, _, _ := strings.Cut(a.Doc, "\n")
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Name, doc, strings.Join(links(a.Emits), " "))
		for _, c := range a.Emits {
			codes[c.ID] = true
		}
	}
	fmt.Fprintf(&b, "\n%d checks, %d codes.\n\n", len(all.Analyzers), len(codes))
	b.WriteString("Not decided, because the API does not show it:\n\n| code | why |\n|---|---|\n")
	for _, u := range all.Undecided {
		if codes[u.Code] {
			t.Errorf("%s is emitted and called undecided", u.Code)
		}
		fmt.Fprintf(&b, "| [%s](../knowledge/pages/%s.md) | %s |\n", u.Code, u.Code, u.Why)
	}
	b.WriteString("\n")
	section(t, filepath.Join(root, "analyzers", "README.md"), "checks", b.String())
}

func links(codes []analyzers.Code) []string {
	out := make([]string, len(codes))
	for i, c := range codes {
		out[i] = fmt.Sprintf("[%s](../knowledge/pages/%s.md)", c.ID, c.ID)
	}
	return out
}

// section compares the part of a file between two markers with what it must be, and
// writes it under -update.
func section(t *testing.T, file, name, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start, end := "<!-- "+name+": written by make gen -->", "<!-- /"+name+" -->"
	head, rest, ok := strings.Cut(string(data), start)
	have, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no markers %s … %s", file, start, end)
	}
	have = strings.TrimPrefix(have, "\n")
	if *update {
		if err := os.WriteFile(file, []byte(head+start+"\n"+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s is stale, run make gen:\n%s", file, d)
	}
}
