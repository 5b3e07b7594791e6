// Package cli is the command line: one file a command, each an Options struct that is
// parsed and then run. Errors become exit codes in errors.go and nowhere else.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const gcPercent = 40

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	// A scan allocates a cluster once and keeps it: collecting garbage early costs little
	// time and saves a quarter of the memory (10,000 pods: about 220 MB in place of 300).
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	streams := newStreams(in, out, errOut, os.LookupEnv)
	root := newRoot(streams, programName(args))
	root.SetArgs(args[1:])
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	return exitCode(ctx, streams, root, err)
}

// programName is what the user typed: the plugin is found by kubectl as
// kubectl-fathom, and its help speaks of "kubectl fathom".
func programName(args []string) string {
	if len(args) > 0 && strings.HasPrefix(filepath.Base(args[0]), "kubectl-") {
		return "kubectl fathom"
	}
	return "fathom"
}

func newRoot(s *Streams, name string) *cobra.Command {
	root := &cobra.Command{
		Use:   "fathom",
		Short: "Get to the bottom of a Kubernetes failure",
		Long: `Fathom reads a cluster, finds what is wrong, says which finding causes which, and
prints the root causes with evidence and commands to copy. It only reads.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: name},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.AddCommand(newScan(s), newWhy(s), newReach(s), newExplain(s), newCapture(s), newDemo(s), newAnalyzers(s), newVersion(s))
	root.SuggestionsMinimumDistance = 2
	wrapArgErrors(root)
	nameExamples(root, name)
	return root
}

// nameExamples lets the examples of the help begin with what the user typed.
func nameExamples(cmd *cobra.Command, name string) {
	cmd.Example = strings.ReplaceAll(cmd.Example, "  fathom ", "  "+name+" ")
	for _, sub := range cmd.Commands() {
		nameExamples(sub, name)
	}
}

// wrapArgErrors turns what cobra says of arguments into usage errors, which show the
// command's usage and end with code 2.
func wrapArgErrors(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{cmd, err}
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		wrapArgErrors(sub)
	}
}

// examples formats runnable examples for help, one command a line.
func examples(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	return strings.TrimRight(b.String(), "\n")
}
