// Command fathom gets to the bottom of a Kubernetes failure.
package main

import (
	"os"

	"github.com/kubefathom/fathom/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
