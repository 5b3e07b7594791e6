package config

import (
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// windowsEnd is what is left of a line end of Windows in the name of an interpreter.
var windowsEnd = regexp.MustCompile(`\\r|\r|\^M|bad interpreter`)

// reportShell reports a crash loop in which a shell or the loader could not run a command.
func reportShell(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) {
	u, ok := p.Unrunnable(pod, status)
	if !ok {
		return
	}
	end, _ := cluster.End(status)
	code := strconv.Itoa(int(end.ExitCode))
	source := cluster.RefOf(pod).String()
	f := analyzers.Finding{
		Code: noCommand, Subject: p.Root(pod), Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Evidence: []analyzers.Evidence{
			{Source: "Log of " + source + " container " + status.Name, Path: "log", Quote: analyzers.Quote(u.Line)},
			{Source: source, Path: statusPath(pod, status.Name), Quote: "exitCode: " + code, At: end.FinishedAt.Time},
		},
	}
	what, why := u.Name+" is not in the image", "Add "+u.Name+" to the image, or correct the name where the container's command calls it; then build and roll out"
	switch {
	case u.Library:
		what, why = "the shared library "+u.Name+" is not in the image", "Add the library to the image, or build the program without it; then build and roll out"
	case u.Denied:
		what, why = u.Name+" is not executable", "Make it executable in the image: RUN chmod +x "+u.Name+" in the Dockerfile; then build and roll out"
	case windowsEnd.MatchString(u.Line):
		what, why = "its script has Windows line ends, so the interpreter is not found", "Write the script with Unix line ends (dos2unix, or eol=lf in .gitattributes); then build and roll out"
	}
	f.Summary = sentence("Container "+status.Name+" ends at once: "+what, " (exit code "+code+")")
	f.Fixes = append(undo(p, pod), analyzers.Fix{Why: why})
	p.Report(f)
}
