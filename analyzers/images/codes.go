package images

import "github.com/kubefathom/fathom/analyzers"

var (
	notFound     = analyzers.Code{ID: "image-not-found", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Image name or tag does not exist"}
	unauthorized = analyzers.Code{ID: "image-pull-unauthorized", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Registry denies access to the image"}
	rateLimited  = analyzers.Code{ID: "image-pull-rate-limited", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Registry or kubelet limits the rate of pulls"}
	unreachable  = analyzers.Code{ID: "image-pull-network", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Registry cannot be reached from the node"}
	untrusted    = analyzers.Code{ID: "image-pull-tls-untrusted", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Node and registry do not agree on TLS"}
	noPlatform   = analyzers.Code{ID: "image-arch-mismatch-manifest", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Image has no variant for the node's platform"}
	invalidName  = analyzers.Code{ID: "image-invalid-name", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Image name cannot be parsed"}
	notLoaded    = analyzers.Code{ID: "image-local-not-loaded", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Local image is not on the node"}
	slow         = analyzers.Code{ID: "image-pull-slow", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Image takes very long to pull"}
	staleTag     = analyzers.Code{ID: "image-stale-tag", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Pods run different builds under one tag"}
	failed       = analyzers.Code{ID: "image-pull-failed", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Image cannot be pulled"}
)
