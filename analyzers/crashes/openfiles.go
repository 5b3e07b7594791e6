package crashes

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// OpenFiles reports programs that run into a limit of the operating system: on open
// files, on file watches, on processes and threads. The limits are the node's or the
// runtime's, not the pod's; the log does not say which of them are too low for whom.
var OpenFiles = &analyzers.Analyzer{
	Name:  "crashes/open-files",
	Doc:   "programs that reach the limit on open files, file watches or processes",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events}, rbac...),
	Emits: []analyzers.Code{openFiles},
	Run: func(p *analyzers.Pass) error {
		each(p, openFiles, failed, func(c crash, r reason) {
			limit, why := limitOf(r.Detail)
			f := c.finding(openFiles, c.name()+" "+c.ends()+" at the limit on "+limit+": "+r.Detail, r.evidence(c)...)
			f.Fixes = []analyzers.Fix{
				{Why: why, Argv: p.Kubectl("", "debug", "node/"+nodeName(c.pod), "-it", "--image=busybox", "--", "sysctl", "fs.inotify", "fs.file-max", "kernel.pid_max")},
				c.readLog(p, "Show whether the program opens ever more without closing it"),
			}
			p.Report(f)
		})
		return nil
	},
}

func limitOf(detail string) (limit, why string) {
	lower := strings.ToLower(detail)
	switch {
	case has(lower, "inotify", "watch", "fsnotify"):
		return "file watches", "Show the node's limits; raise fs.inotify.max_user_instances and max_user_watches there, which all pods share"
	case has(lower, "thread", "fork", "process"):
		return "processes", "Show the node's limits; the kubelet's podPidsLimit bounds the processes of one pod"
	}
	return "open files", "Show the node's limits; the container runtime's LimitNOFILE bounds the files of one process"
}
