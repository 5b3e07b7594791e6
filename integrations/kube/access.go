package kube

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// access says how much a listing read, why not more, and what to do about it.
func (c *client) access(ctx context.Context, l *listing) cluster.Access {
	a := cluster.Access{Group: l.kind.Group, Kind: l.kind.Kind, Namespace: l.namespace}
	a.State, a.Why = c.state(ctx, l.kind, l.err)
	if l.pages > 0 && l.err != nil {
		a.State, a.Why = cluster.Partial, fmt.Sprintf("the first %d were read, then: %s", len(l.objects), a.Why)
	}
	resource := l.kind.Resource
	if l.kind.Group != "" {
		resource += "." + l.kind.Group
	}
	where := []string{}
	switch {
	case l.namespace != "":
		where = []string{"-n", l.namespace}
	case l.kind.Namespaced:
		where = []string{"-A"}
	}
	switch a.State {
	case cluster.Complete:
	case cluster.Forbidden:
		if apierrors.IsUnauthorized(l.err) {
			a.Hint = c.kubectl("auth", "whoami")
			break
		}
		a.Hint = c.kubectl(append([]string{"auth", "can-i", "list", resource}, where...)...)
	case cluster.NotServed:
		a.Hint = c.kubectl("api-resources", "--api-group", l.kind.Group)
	default:
		a.Hint = c.kubectl(append([]string{"get", resource, "--request-timeout", "2m"}, where...)...)
	}
	return a
}

func (c *client) state(ctx context.Context, k cluster.Kind, err error) (cluster.State, string) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return cluster.Complete, ""
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return cluster.Forbidden, plain(err.Error())
	case apierrors.IsNotFound(err):
		return c.notFound(k)
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return cluster.TimedOut, plain(err.Error())
	case errors.As(err, &status):
		return cluster.Failed, fmt.Sprintf("the API server answers %d: %s", status.Status().Code, plain(err.Error()))
	case errors.Is(context.Cause(ctx), errOutOfTime):
		return cluster.TimedOut, "the time for reading the cluster was over"
	case errors.Is(context.Cause(ctx), errSilent):
		return cluster.TimedOut, "no list was answered in time"
	case ctx.Err() != nil:
		return cluster.Failed, "reading was interrupted"
	case isTimeout(err):
		return cluster.TimedOut, "no answer in time"
	}
	return cluster.Failed, cause(err)
}

// notFound tells a kind that the server does not have from one that it has under an
// older version only. Absence may be concluded from the first, not from the second: the
// youngest kinds of the table are served since 1.23 (autoscaling/v2; see the deprecated
// API migration guide). The core group is served by every API server: a 404 there
// comes from something else that stands in its place.
func (c *client) notFound(k cluster.Kind) (cluster.State, string) {
	switch {
	case k.Group == "":
		return cluster.Failed, "the server answers 404 for a resource that every Kubernetes API server has"
	case c.minor > 0 && c.minor < 23:
		return cluster.Failed, fmt.Sprintf("%s serves it in an older version than %s only", c.version, k.Version)
	}
	return cluster.NotServed, fmt.Sprintf("the API server does not have %s in %s", k.Resource, k.GroupVersion())
}

// minorOf is the minor version of "v1.37.2", or 0.
func minorOf(version string) int {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "1" {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}
