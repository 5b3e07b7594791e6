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
	Doc:   "program that reaches the limit on open files, file watches or processes",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{openFiles},
	Run: func(p *analyzers.Pass) error {
		each(p, openFiles, failed, func(c crash, r reason) {
			limit, why := limitOf(r.Detail)
			f := c.finding(openFiles, c.name()+" "+c.ends()+" at the limit on "+limit+": "+r.Detail, r.evidence(c)...)
			f.Fixes = []analyzers.Fix{
				{Why: why, Argv: p.Kubectl("", "debug", "node/"+nodeName(c.pod), "-it", "--image=busybox", "--", "sysctl", "fs.inotify", "fs.file-max", "kernel.pid_max")},
				c.readLog(p, "Shows whether the program opens more and more without closing it"),
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
		return "file watches", "Shows the node's limits: fs.inotify.max_user_instances and max_user_watches are shared by all pods of the node, raise them there"
	case has(lower, "thread", "fork", "process"):
		return "processes", "Shows the node's limits; the number of processes of one pod is bounded by the kubelet's podPidsLimit"
	}
	return "open files", "Shows the node's limits; the number of files of one process is set by the container runtime (LimitNOFILE)"
}
