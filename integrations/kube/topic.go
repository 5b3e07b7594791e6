package kube

import (
	"crypto/x509"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The failure modes that stand in the way of reading a cluster at all.
const (
	topicUnreachable  = "apiserver-unreachable"
	topicUnauthorized = "apiserver-unauthorized"
	topicAuthority    = "x509-unknown-authority-api"
	topicExpired      = "control-plane-cert-expired"
	topicNoContext    = "kubeconfig-missing-context"
	topicEtcd         = "etcd-unhealthy"
	topicOverloaded   = "apiserver-overloaded-apf"
)

// Topics are the ids of the knowledge pages that an Error can lead to.
var Topics = []string{topicUnreachable, topicUnauthorized, topicAuthority, topicExpired, topicNoContext, topicEtcd, topicOverloaded}

// Topic is the id of the knowledge page about this error, or "".
func (e *Error) Topic() string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(e.Err, errNoEtcd):
		return topicEtcd
	case apierrors.IsTooManyRequests(e.Err):
		return topicOverloaded
	case errors.As(e.Err, &unknown), errors.As(e.Err, &host):
		return topicAuthority
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return topicExpired
	case e.Reason == Unreachable:
		return topicUnreachable
	case e.Reason == Unauthorized:
		return topicUnauthorized
	case e.Reason == NoConfig, e.Reason == NoContext:
		return topicNoContext
	}
	return ""
}
