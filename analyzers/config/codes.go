package config

import "github.com/kubefathom/fathom/analyzers"

var (
	missingSource = analyzers.Code{ID: "configmap-or-secret-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ConfigMap or Secret of the environment does not exist"}
	missingKey    = analyzers.Code{ID: "configmap-secret-key-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ConfigMap or Secret lacks a key"}
	missingVolume = analyzers.Code{ID: "volume-configmap-secret-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ConfigMap or Secret of a volume does not exist"}
	nonRoot       = analyzers.Code{ID: "runasnonroot-verification", Severity: analyzers.Error, Role: analyzers.Cause, Title: "runAsNonRoot cannot be satisfied"}
	noCommand     = analyzers.Code{ID: "container-command-not-found", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Command is not in the image or not executable"}
	badMount      = analyzers.Code{ID: "subpath-mount-failure", Severity: analyzers.Error, Role: analyzers.Cause, Title: "subPath or single-file mount fails"}
	hookFailed    = analyzers.Code{ID: "container-hook-failed", Severity: analyzers.Error, Role: analyzers.Cause, Title: "postStart hook fails"}
	serviceEnv    = analyzers.Code{ID: "service-env-var-collision", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Environment variable of a Service breaks the application"}
	staleConfig   = analyzers.Code{ID: "config-change-not-picked-up", Severity: analyzers.Info, Role: analyzers.Cause, Title: "ConfigMap or Secret changed after the containers had read it"}
	startFailed   = analyzers.Code{ID: "container-start-failed", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Container cannot be created or started"}
)
