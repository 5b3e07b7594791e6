package config

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CommandNotFound reports containers whose command is not in the image or may not be
// executed: by the runtime, or by the shell that was to run it (exit codes 127 and 126).
var CommandNotFound = &analyzers.Analyzer{
	Name:  "config/command-not-found",
	Doc:   "commands that are not in the image or not executable",
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{noCommand},
	Run: func(p *analyzers.Pass) error {
		for s := range starts(p, commandStart) {
			s.reportCommand(p)
		}
		for pod := range subjects(p) {
			for _, status := range cluster.ContainerStatuses(pod) {
				if p.ContainerFault(pod, status) == cluster.CrashFault {
					reportShell(p, pod, status)
				}
			}
		}
		return nil
	},
}

// maxName keeps a command that is a whole script from filling the summary.
const maxName = 60

// executable is the program in the words of runc and crun.
var executable = regexp.MustCompile("exec: \"([^\"]*)\"|executable file `([^`]*)`|exec ([^:]+):")

// executable is the program that the runtime did not find.
func (s start) executable() string {
	if m := executable.FindStringSubmatch(s.text); m != nil && m[1]+m[2]+m[3] != "" {
		return m[1] + m[2] + m[3]
	}
	if len(s.spec.Command) > 0 {
		return s.spec.Command[0]
	}
	return ""
}

func (s start) reportCommand(p *analyzers.Pass) {
	name := s.executable()
	f := analyzers.Finding{Code: noCommand, Evidence: []analyzers.Evidence{s.said()}}
	shown := name
	if r := []rune(name); len(r) > maxName {
		shown = string(r[:maxName-1]) + "…"
	}
	field := "command"
	if len(s.spec.Command) == 0 {
		field = "args"
	}
	if words := append(slices.Clone(s.spec.Command), s.spec.Args...); len(words) > 0 {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + "." + field, Quote: analyzers.Quote(field + ": " + quoted(words))})
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".image", Quote: analyzers.Quote(s.spec.Image)})
	root := p.Root(s.pod)
	switch {
	case strings.Contains(s.text, "permission denied"):
		f.Summary = sentence("Container " + s.status.Name + " cannot start: " + name + " is in the image, but not executable")
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Make it executable in the image: RUN chmod +x " + name + " in the Dockerfile; then build and roll out"})
	case strings.ContainsAny(name, " \t") && slices.Contains(s.spec.Command, name):
		f.Summary = sentence("Container "+s.status.Name+" cannot start: its command is a whole line in one item", ": "+quoted([]string{name}))
		if patchable[root.Kind] {
			f.Fixes = append(f.Fixes, analyzers.Fix{Why: splitWhy(name), Argv: s.patch(p, root, `"command":`+split(name, s.spec.Command))})
		}
	case slices.Contains([]string{"sh", "bash", "ash", "zsh"}, path.Base(name)):
		f.Summary = sentence("Container "+s.status.Name+" cannot start: its image has no "+shown, ", so it cannot run a shell line")
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Name the program itself in command, without a shell, or use an image that has one"})
	default:
		f.Summary = sentence("Container "+s.status.Name+" cannot start: "+shown+" is not in the image", " "+brief(s.spec.Image))
	}
	f.Fixes = append(f.Fixes, undo(p, s.pod)...)
	if len(s.spec.Command) > 0 && len(f.Fixes) == 0 && patchable[root.Kind] {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Remove command from the manifest, so that the image's own entrypoint starts",
			Argv: s.patch(p, root, `"command":null`),
		})
	}
	s.report(p, f)
}

// brief is an image without the folders of its registry.
func brief(image string) string { return image[strings.LastIndexByte(image, '/')+1:] }

func quoted(words []string) string {
	data, err := json.Marshal(words)
	if err != nil {
		return strings.Join(words, " ")
	}
	return string(data)
}

// shellSigns make a line one for a shell: it cannot be cut at the spaces.
const shellSigns = "|&;<>()$`\\\"'*?#~=%"

func splitWhy(line string) string {
	if strings.ContainsAny(line, shellSigns) {
		return "Let a shell run the line, if the image has one"
	}
	return "Write each word as an item of its own"
}

func split(line string, command []string) string {
	if strings.ContainsAny(line, shellSigns) {
		return quoted([]string{"/bin/sh", "-c", line})
	}
	var out []string
	for _, c := range command {
		if c == line {
			out = append(out, strings.Fields(line)...)
			continue
		}
		out = append(out, c)
	}
	return quoted(out)
}
