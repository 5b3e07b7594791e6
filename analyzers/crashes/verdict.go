package crashes

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// verdict gives a crash its one code, or none if another package reports it. What the kernel and the kubelet say comes before
// what the log says: a process that was killed may have logged anything before.
func verdict(p *analyzers.Pass, c crash, r reason) analyzers.Code {
	switch {
	case c.end.Reason == "OOMKilled":
		return oomKilled
	case refused(p, c):
		return analyzers.Code{}
	case c.init && misread(p, c):
		return analyzers.Code{}
	case c.init:
		return initFailing
	case c.end.ExitCode == sigkill:
		return killed
	case c.end.ExitCode == 0 && probeUnseen(p, c):
		return appError
	case c.end.ExitCode == 0:
		return exitsZero
	case native(c.end.ExitCode, r.Kind):
		return segfault
	case cluster.NameServer(c.pod) && c.end.ExitCode < 128:
		return analyzers.Code{} // package dns reads what CoreDNS says of itself
	}
	switch r.Kind {
	case KindExecFormat:
		return execFormat
	case KindPermission:
		return permissionDenied
	case KindPort:
		return portTaken
	case KindOpenFiles:
		return openFiles
	case KindDependency:
		if l, ok := linkOf(p, c, r); ok && l.down() {
			return dependencyDown
		}
	}
	if misread(p, c) {
		return analyzers.Code{}
	}
	return appError
}

// misread reports whether package config tells of this end: the program took the variable
// of a Service for a setting of its own.
func misread(p *analyzers.Pass, c crash) bool {
	_, ok := p.MisreadLink(c.pod, c.status)
	return ok && !cluster.PodFinished(c.pod) && p.ContainerFault(c.pod, c.status) == cluster.CrashFault
}

// rbac are the kinds that tell whether what the API server refused is allowed by now.
var rbac = []schema.GroupKind{cluster.Roles, cluster.RoleBindings, cluster.ClusterRoles, cluster.ClusterRoleBindings, cluster.ServiceAccounts}

// refused reports whether another package tells of this end: admission, that the API
// server or a cloud did not let the program do what it needs; storage, that a claim is full.
func refused(p *analyzers.Pass, c crash) bool {
	_, api := p.RefusedByAPI(c.pod, c.status)
	_, cloud := p.RefusedByCloud(c.pod, c.status)
	_, full := p.FullVolume(c.pod, c.status)
	return api || cloud || full && !cluster.PodFinished(c.pod)
}

const sigkill = 128 + 9

// native reports whether a code stands for a signal with which the kernel ends a process
// whose machine code went wrong. Runtimes also abort (134) after an exception or a failed
// allocation that they report themselves; that is the program's error.
func native(code int32, kind Kind) bool {
	if code == 128+6 {
		return kind != KindPanic && kind != KindException && kind != KindMemory
	}
	return slices.Contains([]int32{128 + 4, 128 + 5, 128 + 7, 128 + 8, 128 + 11}, code)
}

// each calls report for the crashes that have this code and that mayBe lets through; it
// may be nil.
func each(p *analyzers.Pass, code analyzers.Code, mayBe func(crash) bool, report func(crash, reason)) {
	for _, j := range judged(p) {
		if j.code == code.ID && (mayBe == nil || mayBe(j.crash)) {
			report(j.crash, j.reason)
		}
	}
}

// A judgement is a crash with its reason and its code.
type judgement struct {
	crash  crash
	reason reason
	code   string
}

// judged gives all crashes their codes, once for all checks of this package.
func judged(p *analyzers.Pass) []judgement {
	return cluster.Derive(p.Snapshot, "crashes.judged", func() []judgement {
		list := crashed(p)
		var out []judgement
		for i, r := range reasons(p, list) {
			out = append(out, judgement{list[i], r, verdict(p, list[i], r).ID})
		}
		return out
	})
}

// failed is the mayBe of codes that the log decides.
func failed(c crash) bool {
	return !c.init && c.end.ExitCode != 0 && c.end.ExitCode != sigkill && c.end.Reason != "OOMKilled"
}
