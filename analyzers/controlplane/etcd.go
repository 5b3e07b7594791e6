package controlplane

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Etcd finds members of etcd that do not run, and a disk that is too slow for it.
var Etcd = &analyzers.Analyzer{
	Name: "controlplane/etcd",
	Doc: `members of etcd that do not run, or whose disk is too slow

From the pods and logs of etcd, where the control plane runs as pods that may be read.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{etcdUnhealthy, etcdSlow},
	Run:   runEtcd,
}

func runEtcd(p *analyzers.Pass) error {
	members := p.PodsWith(system, map[string]string{"component": "etcd"})
	for _, pod := range members {
		if stage, why := p.Unready(pod); stage == cluster.Stuck {
			p.Report(memberDown(p, pod, why, len(members)))
		}
	}
	return slowDisk(p)
}

func memberDown(p *analyzers.Pass, pod *corev1.Pod, why string, members int) analyzers.Finding {
	ref := cluster.RefOf(pod)
	f := analyzers.Finding{
		Code: etcdUnhealthy, Subject: analyzers.Ref{Kind: "ControlPlane", Name: "etcd"}, Part: pod.Spec.NodeName, CausedBy: []analyzers.Ref{ref},
		Summary:  analyzers.Line(fmt.Sprintf("The etcd member on node %s does not run: %s", pod.Spec.NodeName, why), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status", Quote: why}},
		Fixes: []analyzers.Fix{
			{Why: "Read why the member ended", Argv: p.Kubectl(system, "logs", pod.Name, "--previous", "--tail=50")},
			{Why: "Show the state of its container", Argv: p.Kubectl(system, "describe", "pod", pod.Name)},
		},
	}
	// The others answer, else nothing could have been read; the next loss may end that.
	if members > 2 {
		f.Severity = analyzers.Warning
	}
	return f
}

const (
	// A line of these is enough reason to look at the disk, one may be a hiccup.
	slowTimes = 3
	// Requests above 100 ms are logged, and a large list does that on any disk; above a
	// second, and so many in ten minutes, they do not.
	slowRequests = 20
	slowRequest  = time.Second
)

// slowDisk counts what etcd says of its disk: go.etcd.io/etcd/server storage/wal/wal.go
// ("slow fdatasync"), etcdserver/raft.go ("leader failed to send out heartbeat on time"),
// etcdserver/txn/util.go ("apply request took too long").
func slowDisk(p *analyzers.Pass) error {
	etcd := []string{"etcd"}
	syncs := matching(p.Snapshot, etcd, `"slow fdatasync"`)
	beats := matching(p.Snapshot, etcd, "leader failed to send out heartbeat on time")
	var applies []logLine
	for _, l := range matching(p.Snapshot, etcd, `"apply request took too long"`) {
		if took(l.text) >= slowRequest {
			applies = append(applies, l)
		}
	}
	if len(syncs)+len(beats) < slowTimes && len(applies) < slowRequests {
		return nil
	}
	f := analyzers.Finding{
		Code: etcdSlow, Severity: analyzers.Warning, Subject: etcdRef(p.Snapshot),
		Summary: "Requests to etcd take more than a second, again and again in the last ten minutes",
		Fixes: []analyzers.Fix{
			{Why: "See how long etcd waits for its disk: etcd_disk_wal_fsync_duration_seconds should stay below 10 ms", Argv: p.Kubectl(system, "logs", "-l", "component=etcd", "--tail=100", "--prefix")},
		},
	}
	switch {
	case len(syncs) > 0:
		f.Summary = fmt.Sprintf("The disk of etcd is too slow: a sync took %s", took(syncs[len(syncs)-1].text).Round(time.Millisecond))
	case len(beats) > 0:
		f.Summary = "etcd's leader cannot send its heartbeats in time, as it waits for its disk"
	}
	f.Summary = strings.ToUpper(f.Summary[:1]) + f.Summary[1:]
	for _, list := range [][]logLine{syncs, beats, applies} {
		if len(list) > 0 {
			f.Evidence = append(f.Evidence, list[len(list)-1].evidence())
		}
	}
	// Whoever holds a Lease ends itself when it cannot renew it in time
	// (k8s.io/kubernetes cmd/kube-controller-manager/app/controllermanager.go).
	if lost, ok := findLine(p.Snapshot, []string{manager, "kube-scheduler"}, "leaderelection lost"); ok {
		f.Severity = analyzers.Error
		f.Evidence = append(f.Evidence, lost.evidence())
	}
	p.Report(f)
	return nil
}

// took is the duration that a line of etcd tells.
func took(line string) time.Duration {
	var l struct {
		Took string `json:"took"`
	}
	if json.Unmarshal([]byte(line), &l) != nil {
		return 0
	}
	d, _ := time.ParseDuration(l.Took)
	return d
}
