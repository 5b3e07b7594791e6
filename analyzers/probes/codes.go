package probes

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	livenessKills    = cause("liveness-probe-kills", "Liveness or startup probe restarts the container")
	readinessFailing = repeated(cause("readiness-probe-failing", "Container runs and its readiness probe fails"))
	execProbe        = cause("probe-exec-timeout", "Command of an exec probe is missing or takes too long")
	gatePending      = cause("readiness-gate-pending", "Pod waits for a readiness gate")
	bindsLocalhost   = cause("app-binds-localhost", "Application listens on the loopback address only")
)

// repeated marks a code that only repeats what the program said of itself.
func repeated(c analyzers.Code) analyzers.Code {
	c.Vague = true
	return c
}
