package cli

import (
	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/cmd/internal/demo"
)

func newDemo(s *Streams) *cobra.Command {
	o := &scanOptions{}
	o.Embedded = demo.Shop
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Scan a built-in recording of a broken shop (no cluster needed)",
		Long: `Demo scans a recording of a real cluster that is part of the program: a small web shop,
broken in about ten ways. It takes the flags of scan.`,
		Example: examples("fathom demo", "fathom demo --details", "fathom demo -o json"),
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runScan(cmd, s, o) },
	}
	o.Input.addFlags(cmd)
	o.Output.addFlags(cmd, "never")
	cmd.Flags().BoolVar(&o.Timings, "timings", false, "print requests, bytes and times to standard error")
	return cmd
}
