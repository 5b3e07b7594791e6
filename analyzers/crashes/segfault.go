package crashes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Segfault reports processes that the kernel ended because their machine code went wrong.
var Segfault = &analyzers.Analyzer{
	Name:  "crashes/segfault",
	Doc:   "processes that die of a signal such as SIGSEGV, SIGABRT or SIGILL",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events}, rbac...),
	Emits: []analyzers.Code{segfault},
	Run: func(p *analyzers.Pass) error {
		mayBe := func(c crash) bool { return failed(c) && native(c.end.ExitCode, KindUnknown) }
		each(p, segfault, mayBe, func(c crash, r reason) {
			f := c.finding(segfault, fmt.Sprintf("%s dies of %s (exit code %d): %s", c.name(), signalOf(c.end.ExitCode), c.end.ExitCode, nativeHint(c.end.ExitCode)))
			f.Evidence = append(f.Evidence, r.evidence(c)...)
			if back, ok := c.rollback(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			f.Fixes = append(f.Fixes, c.readLog(p, "Show what the program did last; a core dump or a debugger tells more"))
			p.Report(f)
		})
		return nil
	},
}

func nativeHint(code int32) string {
	switch code - 128 {
	case 4:
		return "it uses an instruction that the node's CPU does not have"
	case 6:
		return "it aborted itself"
	case 8:
		return "it divided by zero"
	}
	return "it used memory that is not its own"
}
