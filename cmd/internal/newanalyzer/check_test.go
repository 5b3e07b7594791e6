package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is written compiles and passes, in an area that exists and in a new one, and is
// listed: the test runs it in a copy of the analyzers.
func TestWrite(t *testing.T) {
	root := t.TempDir()
	top := filepath.Join("..", "..", "..")
	for _, f := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(top, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"analyzers", "knowledge"} {
		if err := os.CopyFS(filepath.Join(root, d), os.DirFS(filepath.Join(top, d))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"services/brand-new", "oceans/tide", "oceans/too-deep"} {
		c, err := newCheck(name, "")
		if err != nil {
			t.Fatal(err)
		}
		files, err := c.write(root)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) < 5 {
			t.Errorf("%s: only %q", name, files)
		}
		if _, err := c.write(root); err == nil {
			t.Errorf("%s was written twice", name)
		}
	}
	list, _ := os.ReadFile(filepath.Join(root, "analyzers", "all", "all.go"))
	for _, entry := range []string{"services.BrandNew,", "oceans.Tide,", "oceans.TooDeep,"} {
		if strings.Count(string(list), entry) != 1 {
			t.Errorf("the list has %d %s", strings.Count(string(list), entry), entry)
		}
	}
	cmd := exec.Command("go", "test", "./analyzers/oceans", "./analyzers/services", "./analyzers/all", "-run", "TestTide|TestTooDeep|TestBrandNew|TestValid")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", "services", "services/", "/x", "Services/x", "services/Wrong", "services/../x", "a b/c", "services/x/y", "services/-x"} {
		if _, err := newCheck(bad, ""); err == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
	if _, err := newCheck("services/x", "Bad Code"); err == nil {
		t.Error("a bad code is taken")
	}
	c, err := newCheck("services/wrong-port", "svc-port-mismatch")
	if err != nil || c.Var != "WrongPort" || c.Code != "svc-port-mismatch" || c.Title != "Wrong port" {
		t.Errorf("%+v %v", c, err)
	}
}
