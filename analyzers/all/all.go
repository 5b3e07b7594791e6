// Package all is the explicit list of all analyzers.
package all

import (
	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/admission"
	"github.com/kubefathom/fathom/analyzers/certificates"
	"github.com/kubefathom/fathom/analyzers/config"
	"github.com/kubefathom/fathom/analyzers/controlplane"
	"github.com/kubefathom/fathom/analyzers/crashes"
	"github.com/kubefathom/fathom/analyzers/dns"
	"github.com/kubefathom/fathom/analyzers/gateway"
	"github.com/kubefathom/fathom/analyzers/images"
	"github.com/kubefathom/fathom/analyzers/ingress"
	"github.com/kubefathom/fathom/analyzers/jobs"
	"github.com/kubefathom/fathom/analyzers/netpol"
	"github.com/kubefathom/fathom/analyzers/nodes"
	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/probes"
	"github.com/kubefathom/fathom/analyzers/rollouts"
	"github.com/kubefathom/fathom/analyzers/sandbox"
	"github.com/kubefathom/fathom/analyzers/scaling"
	"github.com/kubefathom/fathom/analyzers/scheduling"
	"github.com/kubefathom/fathom/analyzers/services"
	"github.com/kubefathom/fathom/analyzers/storage"
	"github.com/kubefathom/fathom/analyzers/termination"
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

	admission.Forbidden,
	admission.Identity,
	admission.Unauthorized,

	pods.Stuck,

	sandbox.Addresses,
	sandbox.Cgroups,
	sandbox.Cilium,
	sandbox.Handler,
	sandbox.Network,
	sandbox.ResolvConf,
	sandbox.SandboxImage,

	scheduling.DaemonNotScheduled,
	scheduling.Gated,
	scheduling.NoScheduler,
	scheduling.Preempted,
	scheduling.Rejected,
	scheduling.Unschedulable,

	nodes.EndedByShutdown,
	nodes.Joining,
	nodes.NoNetwork,
	nodes.Pressure,
	nodes.Problem,
	nodes.ProxyBroken,
	nodes.Restarting,
	nodes.RuntimeDown,
	nodes.ServingCert,
	nodes.Silent,
	nodes.Unreached,
	nodes.Unready,
	nodes.VersionSkew,

	controlplane.APIService,
	controlplane.APIVersion,
	controlplane.CABundle,
	controlplane.ControllerManager,
	controlplane.Etcd,
	controlplane.Expired,
	controlplane.Frozen,
	controlplane.Overload,
	controlplane.Readyz,
	controlplane.TooLarge,

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

	dns.Bypass,
	dns.ConfigError,
	dns.CrashLoop,
	dns.Dangling,
	dns.Down,
	dns.NodeLocal,
	dns.Pending,
	dns.PodName,
	dns.ResolvConf,
	dns.ServiceName,
	dns.Upstream,

	netpol.BlocksDNS,
	netpol.CiliumInvalid,
	netpol.CutOff,
	netpol.IngressCutOff,
	netpol.NotEnforced,
	netpol.SelectsNothing,
	netpol.WebhookCutOff,

	ingress.CloudDenied,
	ingress.Conflict,
	ingress.DefaultCert,
	ingress.Ignored,
	ingress.MissingBackend,
	ingress.NoEndpoints,
	ingress.NoMatch,
	ingress.RedirectLoop,
	ingress.Unserved,
	ingress.Upstream,
	ingress.WrongProtocol,

	gateway.NotAccepted,
	gateway.NotProgrammed,
	gateway.UnresolvedRefs,

	certificates.Challenge,
	certificates.Issuer,
	certificates.NotReady,
	certificates.Order,
	certificates.Webhook,

	storage.AttachFailed,
	storage.Bypassed,
	storage.DiskFull,
	storage.Mount,
	storage.MultiAttach,
	storage.Network,
	storage.NoClass,
	storage.NoProvisioner,
	storage.NoVolume,
	storage.PathType,
	storage.ProvisioningFailed,
	storage.Resize,
	storage.Slow,
	storage.Terminating,
	storage.Unregistered,

	rollouts.DaemonSet,
	rollouts.Deadline,
	rollouts.DisruptionBudget,
	rollouts.Invalid,
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

	scaling.CustomMetric,
	scaling.Fight,
	scaling.MaxedOut,
	scaling.MetricsServer,
	scaling.MissingRequests,
	scaling.NoScaleUp,
	scaling.NotProvisioned,
	scaling.NotScaling,
	scaling.ScaleDownBlocked,
	scaling.Target,
	scaling.Unmeasured,
	scaling.Vertical,

	jobs.Failed,
	jobs.Missed,
	jobs.NotDue,

	termination.Evicted,
	termination.Finalizer,
	termination.Namespace,
	termination.Pod,
	termination.PreStop,
}
