package controlplane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Frozen finds a cluster in which nothing is written any more.
var Frozen = &analyzers.Analyzer{
	Name: "controlplane/frozen",
	Doc: `clusters in which nothing is written any more: no Lease is renewed

The API server answers and may call itself ready, and not even its own Lease is renewed:
etcd is full, or an admission webhook stands in the way of every change.`,
	Needs: []schema.GroupKind{cluster.Leases, cluster.Pods, cluster.ValidatingWebhooks, cluster.MutatingWebhooks},
	Emits: []analyzers.Code{writesFailing, etcdSpace},
	Run:   runFrozen,
}

// noSpace is etcd's answer when its quota is used up (go.etcd.io/etcd/api
// v3rpc/rpctypes/error.go, ErrGRPCNoSpace).
const noSpace = "etcdserver: mvcc: database space exceeded"

func runFrozen(p *analyzers.Pass) error {
	full, inLog := findLine(p.Snapshot, nil, noSpace)
	last, frozen := frozenSince(p.Snapshot)
	if !frozen && !inLog {
		return nil
	}
	f := analyzers.Finding{Code: writesFailing, Subject: apiServer}
	if frozen {
		at := renewed(last)
		f.Severity = analyzers.Critical // no pod is started, no endpoint changed
		f.Summary = fmt.Sprintf("Nothing is written to the cluster since %s UTC: not even the API server's own Lease is renewed", at.UTC().Format("2006-01-02 15:04:05"))
		f.Evidence = []analyzers.Evidence{{Source: cluster.RefOf(last).String(), Path: "spec.renewTime", Quote: "the last Lease that was renewed: " + at.UTC().Format(time.RFC3339), At: at}}
	}
	if inLog {
		f.Code, f.Subject = etcdSpace, etcdRef(p.Snapshot)
		f.Summary = "The space of etcd is used up, and it refuses every write"
		f.Evidence = append([]analyzers.Evidence{full.evidence()}, f.Evidence...)
		f.Fixes = []analyzers.Fix{
			{Why: "See how large the database is and whether the alarm NOSPACE stands (the paths are kubeadm's)", Argv: p.Kubectl(system, "exec", etcdPod(p.Snapshot), "--", "etcdctl",
				"--cacert=/etc/kubernetes/pki/etcd/ca.crt", "--cert=/etc/kubernetes/pki/etcd/server.crt", "--key=/etc/kubernetes/pki/etcd/server.key", "endpoint", "status", "--cluster", "-w", "table")},
			{Why: "Find what there is too much of: the metric apiserver_resource_objects counts it by resource", Argv: p.Kubectl("", "get", "--raw", "/metrics")},
		}
		p.Report(f)
		return nil
	}
	for _, w := range inTheWay(p.Snapshot) {
		f.CausedBy = append(f.CausedBy, w)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: w.String(), Path: "webhooks", Quote: "asked about each change of a Lease, failurePolicy: Fail"})
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Try a write without effect, and read the refusal", Argv: p.Kubectl("default", "create", "configmap", "write-test", "--dry-run=server", "-v=6")},
		{Why: "Read why the API server cannot write", Argv: p.Kubectl(system, "logs", "-l", "component=kube-apiserver", "--tail=50", "--prefix")},
	}
	p.Report(f)
	return nil
}

// inTheWay are the webhook configurations that are asked about each update of a Lease and
// whose silence is a refusal.
func inTheWay(s *cluster.Snapshot) []analyzers.Ref {
	var out []analyzers.Ref
	see := func(ref analyzers.Ref, policy *admissionv1.FailurePolicyType, rules []admissionv1.RuleWithOperations) {
		if policy != nil && *policy != admissionv1.Fail || slices.Contains(out, ref) {
			return
		}
		if slices.ContainsFunc(rules, coversLeases) {
			out = append(out, ref)
		}
	}
	for c := range cluster.All[*admissionv1.ValidatingWebhookConfiguration](s) {
		for _, w := range c.Webhooks {
			see(cluster.RefOf(c), w.FailurePolicy, w.Rules)
		}
	}
	for c := range cluster.All[*admissionv1.MutatingWebhookConfiguration](s) {
		for _, w := range c.Webhooks {
			see(cluster.RefOf(c), w.FailurePolicy, w.Rules)
		}
	}
	return out
}

func coversLeases(r admissionv1.RuleWithOperations) bool {
	groups := slices.ContainsFunc(r.APIGroups, func(g string) bool { return g == "*" || g == "coordination.k8s.io" })
	resources := slices.ContainsFunc(r.Resources, func(x string) bool { return x == "*" || x == "*/*" || strings.TrimSuffix(x, "/*") == "leases" })
	update := slices.ContainsFunc(r.Operations, func(o admissionv1.OperationType) bool {
		return o == admissionv1.OperationAll || o == admissionv1.Update
	})
	return groups && resources && update
}
