// Package all is the explicit list of all analyzers.
package all

import (
	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/config"
	"github.com/kubefathom/fathom/analyzers/crashes"
	"github.com/kubefathom/fathom/analyzers/images"
	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/probes"
	"github.com/kubefathom/fathom/analyzers/rollouts"
	"github.com/kubefathom/fathom/analyzers/scheduling"
	"github.com/kubefathom/fathom/analyzers/services"
)

// Analyzers are all checks, in the order in which they run and are listed.
var Analyzers = []*analyzers.Analyzer{
	images.InvalidName,
	images.NotFound,
	images.NotLoaded,
	images.Platform,
	images.RateLimited,
	images.Slow,
	images.StaleTag,
	images.Unauthorized,
	images.Unpulled,
	images.Unreachable,
	images.Untrusted,

	config.CommandNotFound,
	config.HookFailed,
	config.MissingKey,
	config.MissingSource,
	config.MissingVolumeSource,
	config.RunAsNonRoot,
	config.ServiceEnvironment,
	config.StaleConfig,
	config.SubPath,
	config.Unstarted,

	crashes.AppError,
	crashes.DependencyDown,
	crashes.ExecFormat,
	crashes.ExitsZero,
	crashes.InitFailing,
	crashes.InitStuck,
	crashes.Killed,
	crashes.OOMKilled,
	crashes.OpenFiles,
	crashes.PermissionDenied,
	crashes.PortTaken,
	crashes.Segfault,
	crashes.SidecarBlocks,

	probes.BindsLocalhost,
	probes.ExecProbe,
	probes.GatePending,
	probes.LivenessKills,
	probes.ReadinessFailing,

	pods.Stuck,

	scheduling.DaemonNotScheduled,
	scheduling.Gated,
	scheduling.NoScheduler,
	scheduling.Preempted,
	scheduling.Rejected,
	scheduling.Unschedulable,

	services.AddressClash,
	services.BindsLocalhost,
	services.ExternalName,
	services.LocalTraffic,
	services.ManualEndpoints,
	services.NoBackend,
	services.PendingLoadBalancer,
	services.SetService,
	services.UnhealthyTargets,
	services.Unready,
	services.WrongPort,

	rollouts.DaemonSet,
	rollouts.Deadline,
	rollouts.DisruptionBudget,
	rollouts.Limits,
	rollouts.Paused,
	rollouts.PodSecurity,
	rollouts.Policy,
	rollouts.PriorityClass,
	rollouts.Quota,
	rollouts.Recreate,
	rollouts.ReplicaFailure,
	rollouts.ServiceAccount,
	rollouts.StatefulSet,
	rollouts.Webhook,
}
