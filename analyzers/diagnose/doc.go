// Package diagnose turns findings into diagnoses: it says which finding causes which,
// and puts the root cause first.
//
// Three facts lead from a finding to its cause, in this order: the objects that the
// finding itself names (CausedBy); for a symptom, the nearest cause along the edges of
// the object graph (Ingress → Service → workload → Node or claim, see graph.go); and,
// where several findings name the same object that no finding is about, that object
// itself, so that one missing Secret is one diagnosis. A cause without any of these is
// a root.
package diagnose
