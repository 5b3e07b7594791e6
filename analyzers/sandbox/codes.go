package sandbox

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	networkFailure = cause("sandbox-cni-failure", "Network plugin of a node fails for new pods")
	noAddress      = cause("cni-ip-exhausted", "No IP address is left for new pods")
	ciliumNotReady = cause("cilium-agent-not-ready", "Cilium agent does not serve its node")
	cgroupDriver   = cause("kubelet-cgroup-driver-mismatch", "Kubelet and runtime use different cgroup drivers")
	noHandler      = cause("runtimeclass-handler-missing", "Runtime does not know the handler of a RuntimeClass")
	noSandboxImage = cause("sandbox-image-unavailable", "Runtime cannot get the image of the pod sandbox")
	noResolvConf   = cause("kubelet-resolv-conf-missing", "Kubelet does not find the resolv.conf that pods are to get")
)
