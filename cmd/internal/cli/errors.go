package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/integrations/kube"
	"github.com/kubefathom/fathom/integrations/manifests"
)

// The exit codes, the same for every output format.
const (
	exitClean       = 0   // nothing at or above --fail-on
	exitFindings    = 1   // findings at or above --fail-on
	exitUsage       = 2   // wrong usage or input
	exitUnreachable = 3   // cluster unreachable or unauthorised, or incomplete under --strict
	exitInterrupted = 130 // SIGINT or SIGTERM
)

// A usageError is a command line that cannot be run.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// A hintError carries the next step beside the error.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func withHint(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

var (
	errFindings    = errors.New("findings at or above --fail-on")
	errIncomplete  = errors.New("the scan is incomplete")
	errBlind       = errors.New("nothing in the scope could be read")
	errInterrupted = errors.New("interrupted")
	errUnevaluated = errors.New("the policies could not be evaluated")
)

// exitCode prints what has to be said about err and maps it to the exit code.
func exitCode(ctx context.Context, s *Streams, root *cobra.Command, err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitClean
	case errors.Is(err, syscall.EPIPE): // the reader has what it wanted: fathom scan | head
		return exitClean
	case errors.Is(err, errInterrupted) || ctx.Err() != nil:
		fmt.Fprintln(s.Err, "error: interrupted; what is printed is partial")
		return exitInterrupted
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, errIncomplete):
		printError(s, withHint(err, "see \"Not checked\" in the report, or leave out --strict"))
		return exitUnreachable
	case errors.Is(err, errBlind):
		printError(s, withHint(err, "see \"Not checked\" in the report; ask for the right to list, or name another namespace with -n"))
		return exitUnreachable
	case errors.Is(err, errUnevaluated):
		printError(s, err)
		return exitUnreachable
	case errors.As(err, &usage):
		printError(s, err)
		fmt.Fprintf(s.Err, "\n%s", usage.cmd.UsageString())
		return exitUsage
	case strings.HasPrefix(err.Error(), "unknown command"):
		printError(s, withHint(errors.New(oneLine(err.Error())), "%s --help lists the commands", root.DisplayName()))
		return exitUsage
	}
	var unread *kube.Error
	if errors.As(err, &unread) && (unread.Reason == kube.Unreachable || unread.Reason == kube.Unauthorized) {
		printError(s, err)
		return exitUnreachable
	}
	printError(s, err)
	return exitUsage
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

func printError(s *Streams, err error) {
	fmt.Fprintf(s.Err, "error: %s\n", report.Clean(err.Error())) // it may quote a hostile file
	var (
		hint   *hintError
		unread *kube.Error
		file   *manifests.Error
	)
	switch {
	case errors.As(err, &hint):
		fmt.Fprintf(s.Err, "hint: %s\n", report.Clean(hint.hint))
	case errors.As(err, &unread) && unread.Hint != "":
		fmt.Fprintf(s.Err, "hint: %s\n", report.Clean(unread.Hint))
		if topic := unread.Topic(); topic != "" {
			fmt.Fprintf(s.Err, "more: fathom explain %s\n", topic)
		}
	case errors.As(err, &file) && file.Hint != "":
		fmt.Fprintf(s.Err, "hint: %s\n", report.Clean(file.Hint))
	}
}
