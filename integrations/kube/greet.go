package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// greet asks for the version: it tells in one request whether a server is there.
// Whether it lets this user in may take a second one, as /version may be open to all or
// closed to all.
func (r *reading) greet(ctx context.Context) error {
	ctx = withTally(ctx, &r.other)
	var buf bytes.Buffer
	_, err := r.get(ctx, r.path("version"), nil, "application/json", &buf)
	if apierrors.IsUnauthorized(err) {
		pods, _ := cluster.KindFor(cluster.Pods)
		if _, err = r.page(ctx, pods, "", nil, 1, "", newSharer()); apierrors.IsUnauthorized(err) {
			return r.unauthorized(err)
		}
		return nil
	}
	var status apierrors.APIStatus
	switch {
	case err == nil:
		var v struct {
			GitVersion string `json:"gitVersion"`
		}
		if json.Unmarshal(buf.Bytes(), &v) != nil || v.GitVersion == "" {
			return r.unreachable(errNotJSON)
		}
		r.version = plain(v.GitVersion)
		r.minor = minorOf(r.version)
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("reading the cluster was interrupted: %w", ctx.Err())
	case strings.Contains(err.Error(), "getting credentials: "):
		return r.noCredentials(err)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot impersonate"):
		return &Error{Reason: Unauthorized, Message: plain(err.Error()), Hint: "leave --as out, or ask for the right: kubectl auth can-i impersonate users --as=''", Err: err}
	case errors.As(err, &status):
		return nil // a server that keeps its version to itself, or is not well
	}
	return r.unreachable(err)
}

func (r *reading) unauthorized(err error) *Error {
	hint := "renew the login of this kubeconfig user, then try: " + r.kubectl("auth", "whoami")
	if r.config.Impersonate.UserName == "" && r.context == "" {
		hint = "the service account's token is not valid for this cluster"
	}
	return &Error{Reason: Unauthorized, Message: "the API server does not accept the credentials (401)", Hint: hint, Err: err}
}

// noCredentials explains why a credential plugin gave none. client-go makes the error a
// text ("getting credentials: exec: ...").
func (r *reading) noCredentials(err error) *Error {
	_, text, _ := strings.Cut(err.Error(), "getting credentials: ")
	text, _, _ = strings.Cut(text, "\n")
	message := fmt.Sprintf("the credential plugin %s gave no credentials: %s", r.plugin, plain(text))
	if said := pluginOutput.tail(); said != "" {
		message += ": " + said
	}
	return &Error{Reason: Unauthorized, Message: message, Hint: "log in with that tool first, then try: " + r.kubectl("auth", "whoami"), Err: err}
}

// verdict is an error when no list was answered by a Kubernetes API server: then there is
// nothing to say about the cluster.
func (r *reading) verdict(ctx context.Context) error {
	var first error
	denied := true
	for _, l := range r.listings {
		if l.pages > 0 || apierrors.IsForbidden(l.err) {
			return nil
		}
		if first == nil {
			first = l.err
		}
		denied = denied && apierrors.IsUnauthorized(l.err)
	}
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errOutOfTime):
		return nil // interrupted: the access records tell
	case denied:
		return r.unauthorized(first)
	case apierrors.IsNotFound(first):
		return r.unreachable(errNotJSON)
	case r.version != "" && strings.Contains(r.heard.Text, "[-]etcd"):
		return &Error{
			Reason: Unreachable, Message: fmt.Sprintf("the API server %s://%s is there, but its check of etcd fails", r.base.Scheme, r.base.Host),
			Hint: "see what it says: " + r.kubectl("get", "--raw", "/readyz?verbose"), Err: fmt.Errorf("%w: %w", errNoEtcd, first),
		}
	case r.version != "" && isTimeout(first):
		return &Error{
			Reason: Unreachable, Message: fmt.Sprintf("the API server %s://%s is there, but answers no list in time", r.base.Scheme, r.base.Host),
			Hint: "see whether it and its etcd are well: " + r.kubectl("get", "--raw", "/readyz?verbose"), Err: first,
		}
	}
	return r.unreachable(first)
}
