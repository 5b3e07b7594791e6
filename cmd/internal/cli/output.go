package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/report"
)

// Output is how a report is shown and judged.
type Output struct {
	Format  string
	Color   string
	Details bool
	FailOn  string
	Strict  bool
}

var (
	failOns    = []string{"critical", "error", "warning", "info", "never"}
	colorModes = []string{"auto", "always", "never"}
)

func (o *Output) addFlags(cmd *cobra.Command, failOn string) {
	f := cmd.Flags()
	f.StringVarP(&o.Format, "output", "o", "text", "output format: "+strings.Join(report.FormatNames(), ", "))
	f.StringVar(&o.Color, "color", "auto", "colour: "+strings.Join(colorModes, ", "))
	f.BoolVar(&o.Details, "details", false, "show all evidence, consequences and fixes")
	f.StringVar(&o.FailOn, "fail-on", failOn, "exit with 1 on findings of this severity or worse: "+strings.Join(failOns, ", "))
	f.BoolVar(&o.Strict, "strict", false, "exit with 3 when anything could not be checked")
	complete(cmd, "output", report.FormatNames())
	complete(cmd, "color", colorModes)
	complete(cmd, "fail-on", failOns)
}

// complete offers fixed values for a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in this package
	}
}

func (o *Output) validate(cmd *cobra.Command) error {
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{{"--output", o.Format, report.FormatNames()}, {"--color", o.Color, colorModes}, {"--fail-on", o.FailOn, failOns}} {
		if !slices.Contains(c.allowed, c.value) {
			return &usageError{cmd, fmt.Errorf("%s %q is not one of %s", c.flag, c.value, strings.Join(c.allowed, ", "))}
		}
	}
	return nil
}

func (o *Output) options(s *Streams) report.Options {
	return report.Options{Width: min(s.Width, 140), Color: o.Format == "text" && s.useColor(o.Color), Details: o.Details}
}

// verdict is the error that stands for the exit code of a printed report.
func (o *Output) verdict(r *report.Report, collectErr error) error {
	switch {
	case errors.Is(collectErr, errInterrupted) || errors.Is(collectErr, context.Canceled):
		return errInterrupted
	case o.Strict && (r.Incomplete() || collectErr != nil):
		return errIncomplete
	case o.FailOn != "never" && r.Worst() != "" && r.Worst().AtLeast(analyzers.Severity(o.FailOn)):
		return errFindings
	}
	return nil
}
