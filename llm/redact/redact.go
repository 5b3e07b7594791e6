package redact

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxPasses bounds the repetitions in Text. Two are the rule; the bound keeps
// hostile text from buying more.
const maxPasses = 16

// A Redactor replaces secrets in text by stable placeholders: the same secret
// gets the same placeholder for the life of the Redactor. It is safe for
// concurrent use. Numbers are given in the order of the calls, so a caller
// whose output must be reproducible calls in a fixed order.
type Redactor struct {
	mu     sync.Mutex
	issued map[[sha256.Size]byte]string
	count  int
}

// New returns a Redactor that has seen nothing yet.
func New() *Redactor {
	return &Redactor{issued: make(map[[sha256.Size]byte]string)}
}

// Text returns s with its secrets replaced. It takes free text of any length,
// one line or many: log lines, event messages, annotations, manifests. Text
// without a secret is returned as it is, without an allocation.
func (r *Redactor) Text(s string) string {
	// A replacement changes what stands beside it, so the result is read
	// again until nothing is found. This is what makes Text idempotent.
	for range maxPasses {
		out := r.pass(s)
		if out == s {
			break
		}
		s = out
	}
	return s
}

// Value returns the value of a named setting (environment variable, ConfigMap
// key, header, flag) with its secrets replaced. A name that says "secret" masks
// the whole value, any other leaves it to Text.
func (r *Redactor) Value(name, value string) string {
	class := classify(name)
	// "existingSecret: db-credentials" names an object; SECRET=a-b-c does not.
	if class.object && len(name) > len("secrets") && isObjectName(value) {
		return value
	}
	if class.hides(value) {
		if class.kind == kindAuthorization {
			return r.header(value)
		}
		return r.whole(value, class.kind)
	}
	return r.Text(value)
}

// Count returns how many replacements were made so far.
func (r *Redactor) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// pass replaces what one reading of s finds.
func (r *Redactor) pass(s string) string {
	sc := scanner{s: s}
	sc.scan()
	if len(sc.spans) == 0 {
		return s
	}
	return r.replace(s, sc.spans)
}

// whole masks value but for the white space around it, so that a trailing
// newline does not make another secret of it.
func (r *Redactor) whole(value string, k kind) string {
	core := strings.TrimSpace(value)
	if core == "" || nothingLeft(core) {
		return value
	}
	start := strings.Index(value, core)
	return r.replace(value, []span{{start, start + len(core), k}})
}

// replace swaps the spans of s for placeholders. Spans that overlap are one
// secret seen by two detectors.
func (r *Redactor) replace(s string, spans []span) string {
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	merged := spans[:1]
	for _, sp := range spans[1:] {
		last := &merged[len(merged)-1]
		if sp.start >= last.end {
			merged = append(merged, sp)
			continue
		}
		last.end = max(last.end, sp.end)
		last.kind = min(last.kind, sp.kind)
	}
	var b strings.Builder
	b.Grow(len(s))
	done := 0
	for _, sp := range merged {
		b.WriteString(s[done:sp.start])
		b.WriteString(r.placeholder(s[sp.start:sp.end], sp.kind))
		done = sp.end
	}
	b.WriteString(s[done:])
	return b.String()
}

// placeholder returns what stands for the secret. The first kind a secret is
// seen as stays with it.
func (r *Redactor) placeholder(secret string, k kind) string {
	if k.generic() {
		k = refine(secret, k)
	}
	sum := sha256.Sum256([]byte(secret))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.issued == nil {
		r.issued = make(map[[sha256.Size]byte]string)
	}
	r.count++
	p, ok := r.issued[sum]
	if !ok {
		p = placeholderOpen + kindNames[k] + "#" + strconv.Itoa(len(r.issued)+1) + ">"
		r.issued[sum] = p
	}
	return p
}

// refine names a secret found by its place after its own structure if it has
// one: "password=ghp_…" is a GitHub token, and the same one found elsewhere.
func refine(secret string, k kind) kind {
	sc := scanner{s: secret}
	sc.scan()
	for _, sp := range sc.spans {
		if sp.start == 0 && sp.end == len(secret) && sp.kind < k {
			return sp.kind
		}
	}
	return k
}
