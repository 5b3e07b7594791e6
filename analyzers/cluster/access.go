package cluster

import "k8s.io/apimachinery/pkg/runtime/schema"

// State says how much of a kind was read.
type State string

const (
	Complete     State = "complete"
	Partial      State = "partial"       // some pages were read, then reading failed
	Forbidden    State = "forbidden"     // the API server answered 401 or 403
	NotServed    State = "not-served"    // the API server has no such resource
	TimedOut     State = "timed-out"     // no answer in time
	Failed       State = "failed"        // any other error
	NotCollected State = "not-collected" // the input does not hold this kind
)

// Access records what could be read of one kind, in one namespace or in all ("").
type Access struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	State     State  `json:"state"`
	Why       string `json:"why,omitempty"`
	Hint      string `json:"hint,omitempty"`
}

// GroupKind is the kind that the record is about.
func (a Access) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: a.Group, Kind: a.Kind}
}

// Sees reports whether the absence of an object of this kind in this namespace can be
// concluded from its absence in the Snapshot. Without it nothing may be called missing.
func (s *Snapshot) Sees(gk schema.GroupKind, namespace string) bool {
	for _, a := range s.access[gk] {
		if (a.State == Complete || a.State == NotServed) && (a.Namespace == "" || a.Namespace == namespace) {
			return true
		}
	}
	return false
}

// Access returns the records of one kind, ordered by namespace.
func (s *Snapshot) Access(gk schema.GroupKind) []Access { return s.access[gk] }
