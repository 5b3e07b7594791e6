package evals

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/analyzers/report"
)

var update = flag.Bool("update", false, "write the generated parts")

// minRight is the committed score: how many scenarios must be answered rightly. It only
// ever rises.
const minRight = 357

func scores(t *testing.T) []Score {
	t.Helper()
	list, err := Scenarios("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("there are no scenarios")
	}
	out := make([]Score, len(list))
	for i, s := range list {
		snap, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		out[i] = Judge(s, report.Scan(context.Background(), snap, all.Analyzers))
	}
	return out
}

// TestScenarios replays the recordings and scores the answers.
func TestScenarios(t *testing.T) {
	right := 0
	for _, s := range scores(t) {
		if s.Right() {
			right++
		} else {
			t.Logf("%-40s %-12s got %v, blamed wrongly %v", s.Scenario.Name, s.Outcome, s.Got, s.Blamed)
		}
		if s.Outcome == FalseAlarm {
			t.Errorf("%s is healthy: %v", s.Scenario.Name, s.Extra)
		}
	}
	t.Logf("%d right", right)
	if right < minRight {
		t.Errorf("%d scenarios are answered rightly, and it was %d", right, minRight)
	}
}

// TestGeneratedScores keeps the table in the README.
func TestGeneratedScores(t *testing.T) {
	want := table(scores(t))
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const start, end = "<!-- scores: written by make gen -->\n", "<!-- /scores -->"
	head, rest, ok := strings.Cut(string(data), start)
	have, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("README.md has no markers for the scores")
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(head+start+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("README.md is stale, run make gen:\n%s", d)
	}
}

func table(list []Score) string {
	var b strings.Builder
	groups := map[string]map[Outcome]int{}
	total := map[Outcome]int{}
	blamed, extra, codes := 0, 0, map[string]bool{}
	for _, s := range list {
		if groups[s.Scenario.Group] == nil {
			groups[s.Scenario.Group] = map[Outcome]int{}
		}
		groups[s.Scenario.Group][s.Outcome]++
		total[s.Outcome]++
		blamed += len(s.Blamed)
		extra += len(s.Extra)
		if s.Outcome == First {
			codes[firstCode(s)] = true
		}
	}
	b.WriteString("\n| group | root cause first | not first | missed | healthy and silent | false alarm |\n|---|---|---|---|---|---|\n")
	names := []string{}
	for g := range groups {
		names = append(names, g)
	}
	slices.Sort(names)
	row := func(name string, m map[Outcome]int) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", name, m[First], m[NotFirst], m[Missed], m[Silent], m[FalseAlarm])
	}
	for _, g := range names {
		row(g, groups[g])
	}
	row("**all**", total)
	fmt.Fprintf(&b, "\n%d scenarios, %d different failure modes found first, %d objects blamed wrongly, %d further root causes at error level that no scenario expects.\n\n", len(list), len(codes), blamed, extra)
	for _, s := range list {
		if !s.Right() {
			fmt.Fprintf(&b, "- `%s`: %s; got %s\n", s.Scenario.Name, s.Outcome, strings.Join(s.Got, "; "))
		}
	}
	return b.String()
}

func firstCode(s Score) string {
	if len(s.Got) == 0 {
		return ""
	}
	code, _, _ := strings.Cut(s.Got[0], " ")
	return code
}
