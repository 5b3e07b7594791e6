package analyzers

import (
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Ref names one object.
type Ref = cluster.Ref

// Severity is how much a finding hurts, from the user's side.
type Severity string

const (
	Critical Severity = "critical" // users are without service now
	Error    Severity = "error"    // something that should work does not
	Warning  Severity = "warning"  // works now, and will not under a change that is to be expected
	Info     Severity = "info"     // worth knowing, nothing to do
)

var severityRank = map[Severity]int{Info: 1, Warning: 2, Error: 3, Critical: 4}

func (s Severity) rank() int { return severityRank[s] }

// AtLeast reports whether s is as bad as other or worse.
func (s Severity) AtLeast(other Severity) bool { return s.rank() >= other.rank() }

// Compare orders the worst first.
func (s Severity) Compare(other Severity) int { return other.rank() - s.rank() }

// A Finding is one thing that is wrong, established by rules from what the cluster says.
type Finding struct {
	Code     Code
	Severity Severity
	// Subject is what a person would fix: the Deployment, not its 300 pods.
	Subject Ref
	// Part tells findings with the same code and subject apart, such as a container's
	// name; mostly empty. It must not name anything that is replaced, such as a pod.
	Part string
	// Affected are the objects that suffer alike, the first few of Count.
	Affected []Ref
	Count    int
	// Summary is one sentence: what is wrong, with the values that prove it.
	Summary  string
	Evidence []Evidence
	// CausedBy are objects, present or missing, that are known to stand behind this. A
	// finding at such an object, or below it, becomes the cause of this one.
	CausedBy []Ref
	// Shared says in one sentence what is wrong with CausedBy[0]. When two or more
	// findings with the same code have the same CausedBy[0], it is the summary of the
	// one root cause that stands for them all.
	Shared string
	Fixes  []Fix
}

// Evidence is one fact behind a finding, to be looked up again.
type Evidence struct {
	Source string    `json:"source"`          // the object: "Pod shop/web-7d9f8-x2x9k", "Event …", "Log …"
	Path   string    `json:"path,omitempty"`  // field path, event reason, or container name
	Quote  string    `json:"quote,omitempty"` // verbatim, or the value
	At     time.Time `json:"at,omitzero"`     // when it was so; zero when the object does not say
}

// EventEvidence quotes an event about an object.
func EventEvidence(about Ref, ev *corev1.Event) Evidence {
	return Evidence{Source: "Event on " + about.String(), Path: ev.Reason, Quote: QuoteHead(ev.Message), At: cluster.EventTime(ev)}
}

// Proof says how far a fix is known to help.
type Proof string

const (
	Proven    Proof = "proven"    // applied to a copy of the snapshot, the finding is gone and no new one stands
	Accepted  Proof = "accepted"  // the API server took it in a dry run
	Suggested Proof = "suggested" // cannot be simulated
)

// A Fix is one way out.
type Fix struct {
	Why   string   // what it does, in one sentence
	Argv  []string // a copyable command, with --context and -n; never a shell string
	Patch *Patch   // what it changes, if it can be written as a patch
	Proof Proof    // Suggested when empty
}

// A Patch is a strategic merge patch of one object.
type Patch struct {
	Target Ref             `json:"target"`
	Data   json.RawMessage `json:"data"`
}

// Command is Argv as a line for a POSIX shell.
func (f Fix) Command() string {
	words := make([]string, len(f.Argv))
	for i, a := range f.Argv {
		words[i] = shellQuote(a)
	}
	return strings.Join(words, " ")
}

func shellQuote(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%", r)
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
