package evals

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/report"
)

// An Outcome is how well a report answers a scenario.
type Outcome string

const (
	First      Outcome = "first"       // the root cause is the first diagnosis
	NotFirst   Outcome = "not first"   // it is a diagnosis, behind another one
	Missed     Outcome = "missed"      // it is no diagnosis
	Silent     Outcome = "silent"      // a healthy case, and nothing at error level
	FalseAlarm Outcome = "false alarm" // a healthy case, and something at error level
)

// A Score is the judgement of one report.
type Score struct {
	Scenario Scenario
	Outcome  Outcome
	Blamed   []string // objects of notBlamed that are a root cause all the same
	Extra    []string // further root causes at error level that nobody expected
	Got      []string // all root causes, as "code Kind/name"
}

// Right reports whether the answer is as good as can be: the root cause first and
// nobody blamed wrongly, or silence.
func (s Score) Right() bool {
	return (s.Outcome == First || s.Outcome == Silent) && len(s.Blamed) == 0
}

// Judge scores a report of a scenario.
func Judge(s Scenario, r *report.Report) Score {
	out := Score{Scenario: s}
	used := map[int]bool{}
	for i, d := range r.Diagnoses {
		subject := d.RootCause.Subject.Kind + "/" + d.RootCause.Subject.Name
		got := fmt.Sprintf("%s %s (%s)", d.RootCause.Code, subject, d.Severity)
		out.Got = append(out.Got, got)
		loud := d.Severity.AtLeast(analyzers.Error)
		if loud && slices.Contains(s.NotBlamed, subject) {
			out.Blamed = append(out.Blamed, got)
		}
		if slices.ContainsFunc(append(append([]Cause{}, s.Expect...), s.ExpectAll...), func(c Cause) bool { return c.accepts(d) }) {
			used[i] = true
		} else if loud {
			out.Extra = append(out.Extra, got)
		}
	}
	switch {
	case s.Healthy && len(out.Extra) == 0:
		out.Outcome = Silent
	case s.Healthy:
		out.Outcome = FalseAlarm
	case !allFound(s, r):
		out.Outcome = Missed
	case used[0]:
		out.Outcome = First
	default:
		out.Outcome = NotFirst
	}
	return out
}

// allFound reports whether one of Expect, and each of ExpectAll, is a diagnosis.
func allFound(s Scenario, r *report.Report) bool {
	found := func(c Cause) bool { return slices.ContainsFunc(r.Diagnoses, c.accepts) }
	if len(s.Expect) > 0 && !slices.ContainsFunc(s.Expect, found) {
		return false
	}
	return !slices.ContainsFunc(s.ExpectAll, func(c Cause) bool { return !found(c) })
}

func (c Cause) accepts(d report.Diagnosis) bool {
	root := d.RootCause
	if c.Code == root.Code && strings.EqualFold(c.Subject, root.Subject.Kind+"/"+root.Subject.Name) {
		return true
	}
	return slices.ContainsFunc(c.Or, func(other Cause) bool { return other.accepts(d) })
}
