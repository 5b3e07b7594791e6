package kube

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// healthTimeout is longer than the API server gives each of its own checks (the one of
	// etcd has 2 seconds: k8s.io/apiserver pkg/storage/storagebackend/config.go).
	healthTimeout = 5 * time.Second
	maxHealth     = 16 << 10
)

// health asks whether the API server and what it stands on are well. Each authenticated
// user may ask where the default roles stand (system:public-info-viewer). An answer of
// 500 is an answer: it says which check failed.
func (r *reading) health(ctx context.Context) cluster.Health {
	out := cluster.Health{Path: cluster.Readyz}
	ctx, cancel := context.WithTimeout(withTally(ctx, &r.other), healthTimeout)
	defer cancel()
	var buf bytes.Buffer
	_, err := r.try(ctx, r.path("readyz"), map[string][]string{"verbose": {""}}, "text/plain, */*", &buf)
	var status apierrors.APIStatus
	switch {
	case err == nil:
		out.Status = http.StatusOK
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
		out.Why = plain(err.Error())
		return out
	case errors.As(err, &status):
		out.Status = int(status.Status().Code)
	default:
		out.Why = cause(err)
		return out
	}
	out.Text = lines(buf.Bytes()[:min(buf.Len(), maxHealth)])
	return out
}
