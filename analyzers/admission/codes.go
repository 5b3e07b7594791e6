package admission

import "github.com/kubefathom/fathom/analyzers"

var (
	rbacForbidden = analyzers.Code{ID: "rbac-forbidden", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ServiceAccount may not do what its program asks for"}
	noIdentity    = analyzers.Code{ID: "workload-identity-misconfigured", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Program gets no identity of its cloud"}
	notLetIn      = analyzers.Code{ID: "apiserver-unauthorized", Severity: analyzers.Error, Role: analyzers.Cause, Title: "API server does not take a program's credentials"}
)
