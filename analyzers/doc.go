// Package analyzers defines what a check is: an Analyzer, a documented value that reads
// a Pass over one Snapshot and reports Findings.
//
// An Analyzer is pure. It has no client, no clock but the Snapshot's, no randomness, and
// its output does not depend on map order. It reports what is so at the time of the
// Snapshot: an old event alone is never a finding. It calls nothing missing that the
// Snapshot may merely not have seen (cluster.Snapshot.Sees).
//
// The checks of one area live in one package below this one, a file each; package all
// lists them. Package diagnose says which finding causes which.
package analyzers
