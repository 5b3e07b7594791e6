// Package demo holds a recording of a real cluster: a small web shop that is broken in
// about ten ways.
package demo

import (
	"bytes"
	_ "embed"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

//go:embed shop.capture
var shop []byte

// Shop returns the recorded cluster.
func Shop() (*cluster.Snapshot, error) { return cluster.ReadCapture(bytes.NewReader(shop)) }
