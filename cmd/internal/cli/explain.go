package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/knowledge"
)

func newExplain(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "Show the knowledge page of a code",
		Long:  "Explain prints what a code means, how to confirm it, how to fix and how to prevent it.",
		Example: examples(
			"fathom explain image-not-found",
			"fathom explain svc-no-endpoints",
		),
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return pageNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return runExplain(s, args[0]) },
	}
}

func runExplain(s *Streams, code string) error {
	p, ok := knowledge.Get(code)
	if !ok {
		err := fmt.Errorf("there is no page %q", code)
		if near := knowledge.Nearest(code, 3); len(near) > 0 {
			return withHint(err, "did you mean %s?", strings.Join(near, ", "))
		}
		return withHint(err, "fathom analyzers lists all codes")
	}
	_, err := fmt.Fprintf(s.Out, "# %s\n\n%s\n\n%s\nOfficial documentation: %s\n", p.Title, p.ID, p.Body, p.Docs)
	return err
}

func pageNames() []string {
	pages, err := knowledge.All()
	if err != nil {
		return nil
	}
	out := make([]string, len(pages))
	for i, p := range pages {
		out[i] = p.ID + "\t" + p.Title
	}
	return out
}
