package report_test

import (
	"context"
	"os"
	"testing"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

func BenchmarkTmp(b *testing.B) {
	f, _ := os.Open("/tmp/scale10k.capture")
	s, err := cluster.ReadCapture(f)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			analyzers.Run(context.Background(), s, all.Analyzers)
		}
	})
	r := analyzers.Run(context.Background(), s, all.Analyzers)
	b.Run("diagnose", func(b *testing.B) {
		for b.Loop() {
			diagnose.Diagnose(s, r.Findings)
		}
	})
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			d := diagnose.Diagnose(s, r.Findings)
			diagnose.Prove(context.Background(), s, all.Analyzers, d, r.Findings)
		}
	})
	for _, a := range all.Analyzers {
		b.Run(a.Name, func(b *testing.B) {
			for b.Loop() {
				analyzers.Run(context.Background(), s, []*analyzers.Analyzer{a})
			}
		})
	}
}
