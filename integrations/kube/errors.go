package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"
)

// A Reason says why a cluster could not be read at all.
type Reason string

const (
	NoConfig          Reason = "no-config"           // neither a kubeconfig nor a service account
	NoContext         Reason = "no-context"          // no such context in the kubeconfig, or none chosen
	BadConfig         Reason = "bad-config"          // a kubeconfig or flags that cannot be used
	Unreachable       Reason = "unreachable"         // no Kubernetes API server answers
	Unauthorized      Reason = "unauthorized"        // the API server does not accept the credentials
	NamespaceNotFound Reason = "namespace-not-found" // a namespace of -n does not exist
)

// An Error is a cluster that could not be read, with the next step to take.
type Error struct {
	Reason  Reason
	Message string
	Hint    string
	Err     error // what is behind it, if anything
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

var (
	errNoConnection = errors.New("no connection in time")
	errNotJSON      = errors.New("the answer is no Kubernetes object")
	errNoEtcd       = errors.New("etcd fails")
)

// unreachable explains an error of the connection to the API server.
func (c *client) unreachable(err error) *Error {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		noTLS   tls.RecordHeaderError
		server  = c.base.Scheme + "://" + c.base.Host
		out     = &Error{Reason: Unreachable, Err: err}
		tellWhy = func(format string, args ...any) {
			out.Message = fmt.Sprintf("the API server %s ", server) + fmt.Sprintf(format, args...)
		}
		viewConf = c.kubectl("config", "view", "--minify")
	)
	switch {
	case errors.As(err, &dns):
		tellWhy("cannot be reached: the name %s does not resolve", dns.Name)
		out.Hint = "check the address in the kubeconfig, and the VPN if there is one: " + viewConf
	case errors.As(err, &unknown):
		tellWhy("has a certificate of an unknown authority")
		out.Hint = "the kubeconfig's certificate-authority does not fit this cluster: " + viewConf
	case errors.As(err, &host):
		tellWhy("has a certificate for another name: %s", plain(host.Error()))
		out.Hint = "use an address that the certificate names, or set tls-server-name in the kubeconfig: " + viewConf
	case errors.As(err, &invalid):
		tellWhy("has a certificate that is not valid: %s", plain(invalid.Error()))
		out.Hint = "check this machine's clock and the certificate's dates: " + viewConf
	case errors.As(err, &noTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		tellWhy("does not speak TLS")
		out.Hint = "check the address and port in the kubeconfig: " + viewConf
	case isTimeout(err):
		tellWhy("does not answer in time")
		out.Hint = "check that the cluster runs and that this machine reaches it, through the VPN if there is one: " + c.kubectl("cluster-info")
	case errors.Is(err, errNotJSON):
		tellWhy("answers, but not as Kubernetes does")
		out.Hint = "check the address in the kubeconfig, a proxy or a login page may stand there: " + viewConf
	default:
		tellWhy("cannot be reached: %s", cause(err))
		out.Hint = "check that the cluster runs and that this machine reaches it: " + c.kubectl("cluster-info")
	}
	return out
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errNoConnection) || errors.As(err, &t) && t.Timeout()
}

// cause is the text of an error without the address that url.Error and net.OpError put
// in front of it.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errNoConnection) {
		return "no answer in time"
	}
	text := plain(err.Error())
	for _, syscall := range []string{"connect: ", "read: ", "write: "} { // of os.SyscallError
		text = strings.TrimPrefix(text, syscall)
	}
	return text
}

// plain makes one short line of text that a server or plugin wrote.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)), " ")
	const limit = 300
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// lines is plain for a text of several lines.
func lines(b []byte) string {
	var out []string
	for l := range strings.SplitSeq(string(b), "\n") {
		if l = plain(l); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}
