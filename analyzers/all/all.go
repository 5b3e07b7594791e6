// Package all is the explicit list of all analyzers.
package all

import "github.com/kubefathom/fathom/analyzers"

// Analyzers are all checks, in the order in which they run and are listed.
var Analyzers = []*analyzers.Analyzer{}
