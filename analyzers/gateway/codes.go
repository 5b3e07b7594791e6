package gateway

import "github.com/kubefathom/fathom/analyzers"

// What stands behind a finding is named in CausedBy, so that a route follows from its own
// Gateway or Service alone.
var (
	notAccepted   = analyzers.Code{ID: "gateway-route-not-accepted", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Route is not accepted by its Gateway"}
	unresolved    = analyzers.Code{ID: "gateway-refs-not-resolved", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Route or Gateway refers to what it cannot use"}
	notProgrammed = analyzers.Code{ID: "gateway-not-programmed", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Gateway is not served"}
)
