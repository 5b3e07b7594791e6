package controlplane

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	apiUnavailable    = cause("aggregated-api-unavailable", "Aggregated API is registered and not served")
	controllersDown   = cause("controller-manager-down", "Nothing handles objects: the controller manager does not work")
	writesFailing     = cause("api-writes-failing", "Nothing is written to the cluster any more")
	etcdUnhealthy     = cause("etcd-unhealthy", "etcd does not answer the API server")
	etcdSpace         = cause("etcd-space-exceeded", "etcd's space is used up and it takes no writes")
	etcdSlow          = cause("etcd-slow-disk", "etcd's disk is too slow")
	apiServerNotReady = cause("apiserver-not-ready", "API server says that it is not ready")
	overloaded        = cause("apiserver-overloaded-apf", "API server turns requests away because it has too many")
	certExpired       = cause("control-plane-cert-expired", "Certificate of the control plane has expired")
	caExpired         = cause("ca-bundle-expired", "CA certificate that the API server checks a webhook or API with has expired")
	tooLarge          = cause("object-too-large", "Object is refused because of its size")
	versionRemoved    = cause("api-version-removed", "Program asks for an API version that the cluster does not serve")
)
