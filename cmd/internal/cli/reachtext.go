package cli

import (
	"fmt"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
	"github.com/kubefathom/fathom/analyzers/report"
)

// writeReach shows an answer: the verdict in one line, each way with the rules on both
// sides, and what is missing, ready to copy.
func writeReach(p *report.Page, s *cluster.Snapshot, a reach.Answer) {
	p.Wrapped(verdictOf(p, a.State)+"  ", report.Clean(fmt.Sprintf("%s → %s", a.From, a.To)))
	if len(a.Hops) == 0 {
		p.Wrapped("  ", report.Clean(a.Why))
	}
	for _, h := range a.Hops {
		p.Line("")
		writeHop(p, a, h)
	}
	fixes, more := a.Fixes()
	if len(fixes) > 0 {
		p.Line("")
		p.Line(p.Bold("To allow it:"))
	}
	for i, fix := range fixes {
		if i > 0 {
			p.Line("")
		}
		writeFix(p, s, fix)
	}
	if more {
		p.Line("  Then ask again: there is more to allow.")
	}
	if len(a.Notes) > 0 {
		p.Line("")
	}
	for _, n := range a.Notes {
		p.Wrapped(p.Faint("note: "), report.Clean(n))
	}
}

func verdictOf(p *report.Page, state reach.State) string {
	word := strings.ToUpper(strings.ReplaceAll(string(state), "-", " "))
	switch state {
	case reach.Allowed:
		return p.Good(word)
	case reach.Denied:
		return p.Bad(word)
	}
	return p.Bold(word)
}

// writeHop shows one way: out of the client, through the Service, into the pod.
func writeHop(p *report.Page, a reach.Answer, h reach.Hop) {
	writeSide(p, "egress", h.Egress, "the client is no pod, and policies restrict pods only")
	to := h.To.String()
	if h.To.IsZero() {
		to = h.Address
	}
	if h.Count > 1 {
		to = fmt.Sprintf("%s and %d more like it", to, h.Count-1)
	}
	port := "port " + h.Port.String()
	if h.Port.Number == 0 {
		port = h.Port.String()
	}
	if h.Via != 0 {
		to = fmt.Sprintf("%s port %d leads to %s", a.To, h.Via, to)
	}
	p.Wrapped("  → ", report.Clean(to+", "+port))
	writeSide(p, "ingress", h.Ingress, "the target is no pod, and policies restrict pods only")
}

var sideMarks = map[reach.State]string{reach.Allowed: "✓", reach.Denied: "✗", reach.NotEvaluated: "?"}

func writeSide(p *report.Page, name string, side *reach.Side, none string) {
	if side == nil {
		p.Wrapped(fmt.Sprintf("  %s %-8s ", "✓", name), p.Faint(none))
		return
	}
	p.Wrapped(fmt.Sprintf("  %s %-8s ", sideMarks[side.State], name), report.Clean(side.Why))
	for _, n := range side.Near {
		p.Wrapped("             ", report.Clean(fmt.Sprintf("nearly: %s %s", n.Policy, n.Text)))
	}
}

// writeFix shows a patch as a command, and a policy to add as YAML.
func writeFix(p *report.Page, s *cluster.Snapshot, fix *reach.Fix) {
	p.Wrapped("  ", report.Clean(fix.Why))
	if fix.New == nil {
		argv := analyzers.Kubectl(s, fix.Target.Namespace, "patch", strings.ToLower(fix.Target.Kind), fix.Target.Name, "--type", "merge", "-p", string(fix.Patch))
		p.Line("  $ " + report.Clean(analyzers.Fix{Argv: argv}.Command()))
		return
	}
	manifest, err := fix.Manifest(s)
	if err != nil {
		return
	}
	p.Line("")
	for line := range strings.SplitSeq(strings.TrimRight(string(manifest), "\n"), "\n") {
		p.Line(report.Clean(line))
	}
}
