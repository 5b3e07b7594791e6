package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/integrations/kube"
)

type scanOptions struct {
	Input
	Output
	Timings bool
}

func newScan(s *Streams) *cobra.Command {
	o := &scanOptions{}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Find what is wrong in a cluster, root cause first",
		Long: `Scan reads the cluster once, finds what is wrong and says which finding causes which.
It prints each root cause with the evidence, what follows from it, and a command to
copy. It needs no more than the right to list; what it may not read is named.

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage or input,
3 cluster unreachable or unauthorised (or incomplete under --strict), 130 interrupted.`,
		Example: examples(
			"fathom scan",
			"fathom scan -n shop --details",
			"fathom scan -A -o json --fail-on warning",
			"fathom scan --from shop.capture",
		),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runScan(cmd, s, o) },
	}
	o.Input.addFlags(cmd)
	o.Output.addFlags(cmd, "error")
	cmd.Flags().BoolVar(&o.Timings, "timings", false, "print requests, bytes and times to standard error")
	return cmd
}

func runScan(cmd *cobra.Command, s *Streams, o *scanOptions) error {
	if err := o.validate(cmd); err != nil {
		return err
	}
	start := time.Now()
	snap, stats, err := o.load(cmd.Context(), s)
	if snap == nil {
		return err
	}
	collected := time.Since(start)
	ctx, cancel := finishing(cmd.Context())
	defer cancel()
	r := report.Scan(ctx, snap, all.Analyzers)
	analyzed := time.Since(start) - collected
	if werr := report.Formats[o.Format](s.Out, r, o.options(s)); werr != nil {
		return werr
	}
	if o.Timings {
		printTimings(s, stats, collected, analyzed)
	}
	if err == nil && report.Blind(snap) {
		return errBlind
	}
	return o.verdict(r, err)
}

func printTimings(s *Streams, stats kube.Stats, collected, analyzed time.Duration) {
	fmt.Fprintf(s.Err, "requests %d · bytes %d · collection %s · analysis %s (%.1f %%)\n",
		stats.Requests, stats.Bytes, collected.Round(time.Millisecond), analyzed.Round(time.Millisecond),
		100*float64(analyzed)/float64(max(collected, 1)))
}
