package crashes

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ends reads testdata/decisive.txt.
func ends(t testing.TB) []end {
	t.Helper()
	data, err := os.ReadFile("testdata/decisive.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []end
	for part := range strings.SplitSeq("\n"+string(data), "\n=== ") {
		if len(out) == 0 && !strings.Contains(part, "\n") || strings.HasPrefix(part, "\nEnds") {
			continue
		}
		head, body, _ := strings.Cut(part, "\n")
		words := strings.SplitN(head, " ", 3)
		e := end{name: words[0], kind: Kind(words[1]), mark: -1}
		if len(words) > 2 {
			e.where = words[2]
		}
		for line := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
			if v, ok := strings.CutPrefix(line, "@mark "); ok {
				e.mark, err = strconv.Atoi(v)
				if err != nil {
					t.Fatal(err)
				}
				continue
			}
			if v, ok := strings.CutPrefix(line, "@kind "); ok {
				e.kind = Kind(v)
				continue
			}
			if v, ok := strings.CutPrefix(line, "@where "); ok {
				e.where = v
				continue
			}
			if v, ok := strings.CutPrefix(line, "»"); ok {
				line, e.mark = v, len(e.lines)
			}
			e.lines = append(e.lines, line)
		}
		if e.mark < 0 {
			e.mark = len(e.lines) - 1
		}
		out = append(out, e)
	}
	return out
}

type end struct {
	name  string
	kind  Kind
	where string
	lines []string
	mark  int
}

func TestDecisive(t *testing.T) {
	list := ends(t)
	if len(list) < 100 {
		t.Errorf("only %d logs", len(list))
	}
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			d, ok := Decisive(e.lines)
			if !ok {
				t.Fatal("no line")
			}
			if d.Index != e.mark {
				t.Errorf("line %d, want %d\n\tgot  %s\n\twant %s", d.Index, e.mark, d.Line, e.lines[e.mark])
			}
			if d.Kind != e.kind {
				t.Errorf("kind %s, want %s: %s", d.Kind, e.kind, d.Line)
			}
			if d.Where != e.where {
				t.Errorf("where %q, want %q", d.Where, e.where)
			}
			if d.Detail == "" || d.Line != e.lines[d.Index] {
				t.Errorf("incomplete: %+v", d)
			}
		})
	}
}

func TestDecisiveEmpty(t *testing.T) {
	for _, lines := range [][]string{nil, {""}, {"  ", "\t"}} {
		if d, ok := Decisive(lines); ok {
			t.Errorf("%q: %+v", lines, d)
		}
	}
}

// TestDecisiveTail checks that only the end of a long log counts, and that lines are
// numbered from the first one given.
func TestDecisiveTail(t *testing.T) {
	lines := append([]string{"panic: long ago"}, slices.Repeat([]string{"level=info msg=tick"}, 150)...)
	lines = append(lines, "level=error msg=\"the end\"")
	d, ok := Decisive(lines)
	if !ok || d.Index != len(lines)-1 || d.Line != lines[len(lines)-1] {
		t.Errorf("%+v", d)
	}
}

func FuzzDecisive(f *testing.F) {
	for _, e := range ends(f) {
		f.Add(strings.Join(e.lines, "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		d, ok := Decisive(lines)
		if !ok {
			return
		}
		if d.Index < 0 || d.Index >= len(lines) || d.Line != lines[d.Index] || d.Kind == "" {
			t.Errorf("%+v", d)
		}
	})
}

func BenchmarkDecisive(b *testing.B) {
	list := ends(b)
	for b.Loop() {
		for _, e := range list {
			Decisive(e.lines)
		}
	}
}
