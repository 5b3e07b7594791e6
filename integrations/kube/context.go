package kube

import (
	"context"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// systemNamespace holds what all workloads stand on, such as the cluster's DNS.
const systemNamespace = "kube-system"

// A surrounding is a part of the cluster that is read beside the namespaces asked for,
// because what fails in them may be broken there.
type surrounding struct {
	kind      string // resource
	namespace string
	only      url.Values // of the objects of that kind; empty means all
}

// systemPods selects the few pods of kube-system that serve the whole cluster: one on each
// node, as those of a CNI, would be thousands.
var systemPods = url.Values{"labelSelector": {"k8s-app in (kube-dns,coredns,metrics-server)"}}

// surroundings are few requests, whatever the size of the cluster.
var surroundings = []surrounding{
	{"pods", systemNamespace, systemPods},
	{"replicasets", systemNamespace, systemPods},
	{"pods", systemNamespace, url.Values{"labelSelector": {"component in (etcd,kube-apiserver,kube-controller-manager,kube-scheduler,cloud-controller-manager)"}}},
	{"leases", systemNamespace, url.Values{"fieldSelector": {"metadata.name=kube-controller-manager"}}},
	{"leases", systemNamespace, url.Values{"fieldSelector": {"metadata.name=kube-scheduler"}}},
	{"deployments", systemNamespace, nil},
	{"daemonsets", systemNamespace, nil},
	{"services", systemNamespace, nil},
	{"endpointslices", systemNamespace, nil},
	{"configmaps", systemNamespace, url.Values{"fieldSelector": {"metadata.name=coredns"}}},
	// Events about objects without a namespace are in default
	// (k8s.io/client-go tools/record/event.go, makeEvent).
	{"events", "default", url.Values{"fieldSelector": {"involvedObject.kind=Node"}}},
}

// surround reads the surroundings of the scope. What may not be read there is no loss
// that anybody must hear of: nothing is concluded from its absence.
func (r *reading) surround(ctx context.Context) {
	var wanted []surrounding
	for _, s := range surroundings {
		if !slices.Contains(r.scope, s.namespace) {
			wanted = append(wanted, s)
		}
	}
	found := make([]*listing, len(wanted))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, w := range wanted {
		g.Go(func() error {
			k, _ := cluster.KindNamed(w.kind)
			found[i] = r.list(ctx, k, w.namespace, w.only, func(int) {})
			return nil
		})
	}
	_ = g.Wait()
	r.around = append(r.around, found...)
	for i, l := range found {
		if l.err == nil && wanted[i].only == nil {
			r.unlisted = append(r.unlisted, r.client.access(ctx, l))
		}
	}
}
