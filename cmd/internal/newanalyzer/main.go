// Command newanalyzer writes what a new check begins with: the check, its code, a fixture
// with an object that fires and one that must not, the test, the knowledge page, and the
// line in the list. All of it compiles and passes; what is left is to replace the example
// rule by the real one.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "error: usage: newanalyzer AREA/FAULT [CODE]\nhint: make new-analyzer NAME=services/wrong-port CODE=svc-port-mismatch")
		os.Exit(2)
	}
	c, err := newCheck(append(os.Args, "")[1], append(os.Args, "")[2])
	if err == nil {
		var files []string
		if files, err = c.write("."); err == nil {
			for _, f := range files {
				fmt.Println("wrote", f)
			}
			fmt.Printf("next:  go test ./analyzers/%s\n", c.Area)
			return
		}
	}
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	os.Exit(1)
}
