package storage

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	noClass            = cause("pvc-unbound-no-storageclass", "Claim has no storage class that exists")
	provisionerMissing = cause("pvc-provisioner-missing", "Provisioner of the claim's class does not answer")
	provisioningFailed = cause("pvc-provisioning-failed", "Storage backend refuses to make the volume")
	notScheduled       = cause("pvc-waitforfirstconsumer", "Claim waits for the scheduler, and its pod has bypassed it")
	noVolume           = cause("pvc-no-matching-pv", "No volume fits the claim")
	resizeFailed       = cause("pvc-resize-failed", "Volume cannot be grown to the size that the claim asks for")
	multiAttach        = cause("volume-multi-attach", "Volume is in use elsewhere and cannot be used twice")
	attachFailed       = cause("volume-attach-failed", "Volume cannot be attached to the node, or detached from one")
	notRegistered      = cause("csi-driver-not-registered", "CSI driver is not registered on the node")
	nfsFailed          = cause("nfs-mount-failure", "Network file system cannot be mounted")
	hostPathType       = cause("hostpath-type-check", "Path on the node is not of the type that the volume demands")
	corrupt            = cause("volume-readonly-or-corrupt", "File system of the volume is damaged")
	mountFailed        = cause("volume-mount-failed", "Volume cannot be mounted")
	diskFull           = cause("volume-disk-full", "Volume is full")

	// Things that are to go and do not: what is in their way is named, and nobody is
	// without service for it.
	stuckTerminating = analyzers.Code{ID: "pvc-pv-stuck-terminating", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Claim or volume is being deleted and does not go"}

	// All that is known is that it takes too long.
	mountTimeout = analyzers.Code{ID: "volume-mount-timeout", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Volume takes too long to mount"}
)
