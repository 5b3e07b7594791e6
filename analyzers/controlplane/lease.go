package controlplane

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const system = "kube-system"

const (
	// A leader that works renews its Lease every 2 seconds, and loses it after 15
	// (k8s.io/component-base config/v1alpha1/defaults.go); a node and an API server renew
	// theirs every 10 seconds. A busy API server makes that longer, not this long.
	overdueAfter = time.Minute
	frozenAfter  = 2 * time.Minute
)

// identity is the label of the Lease that each API server renews for itself
// (k8s.io/kubernetes pkg/controlplane/apiserver/server.go, IdentityLeaseComponentLabelKey).
const identity = "apiserver.kubernetes.io/identity"

func renewed(l *coordinationv1.Lease) time.Time {
	if l.Spec.RenewTime == nil {
		return time.Time{}
	}
	return l.Spec.RenewTime.Time
}

// overdue reports whether the holder of a Lease should long have renewed it. A Lease that
// nobody holds was given back in good order.
func overdue(s *cluster.Snapshot, l *coordinationv1.Lease) bool {
	at := renewed(l)
	if at.IsZero() || l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" {
		return false
	}
	limit := overdueAfter
	if d := l.Spec.LeaseDurationSeconds; d != nil {
		limit = max(limit, 3*time.Duration(*d)*time.Second)
	}
	return s.Since(at) > limit
}

// frozenSince returns when the last Lease was renewed, if that is so long ago that nothing
// can have been written since. The proof are the API servers' own Leases: they answer, by
// the clock that the Snapshot has, and do not get their Leases written. Where they keep
// none, nothing is concluded.
func frozenSince(s *cluster.Snapshot) (last *coordinationv1.Lease, ok bool) {
	own := 0
	for l := range cluster.All[*coordinationv1.Lease](s) {
		if l.Labels[identity] != "" {
			own++
		}
		if last == nil || renewed(l).After(renewed(last)) {
			last = l
		}
	}
	return last, own > 0 && !renewed(last).IsZero() && s.Since(renewed(last)) > frozenAfter
}
