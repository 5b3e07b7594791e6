// Command images builds the test program and loads it into the lab's
// containerd under the names the scenarios use. No registry and no Docker is
// involved: every image is one shared layer with a config of its own.
//
//	images -ctr "ctr -a /run/containerd/containerd.sock" [-out images.tar] [NAME...]
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// services of the lab's shop; each gets every tag below.
var (
	services = strings.Fields("web api cart checkout payments payments-db catalog search recommendations " +
		"mailer orders orders-worker image-resizer report gateway migrate agent proxy cache ledger")
	tags = []string{"1.4.1", "1.4.2", "1.5.0"}
	// users gives a few images another user than root.
	users = map[string]string{
		"registry.lab.test/shop/ledger:1.5.0": "ledger",
		"registry.lab.test/shop/agent:1.5.0":  "10001",
	}
)

const repository = "registry.lab.test/shop/"

func main() {
	log.SetFlags(0)
	ctr := flag.String("ctr", "ctr", "ctr command with its socket")
	out := flag.String("out", filepath.Join(os.TempDir(), "fathom-lab-images.tar"), "archive to write")
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		for _, s := range services {
			for _, t := range tags {
				names = append(names, repository+s+":"+t)
			}
		}
	}
	dir, err := os.MkdirTemp("", "images")
	check(err)
	defer os.RemoveAll(dir)
	layer := layer(build(dir, "amd64"), build(dir, "arm64"))
	check(os.WriteFile(*out, archive(names, layer), 0o644))
	args := append(strings.Fields(*ctr), "-n", "k8s.io", "images", "import", *out)
	cmd := exec.Command(args[0], args[1:]...)
	if b, err := cmd.CombinedOutput(); err != nil {
		log.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
	fmt.Println(len(names), "images loaded")
}

func build(dir, arch string) []byte {
	file := filepath.Join(dir, arch)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "github.com/kubefathom/fathom/evals/lab/testapp")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stderr = os.Stderr
	check(cmd.Run())
	b, err := os.ReadFile(file)
	check(err)
	return b
}

// layer is the file system of all images.
func layer(amd64, arm64 []byte) []byte {
	files := []struct {
		name string
		mode int64
		data []byte
	}{
		{"app/server", 0o755, amd64},
		{"app/thumbnailer", 0o755, arm64},                                         // built for another architecture
		{"app/entrypoint.sh", 0o755, []byte("set -e\nexec /app/server \"$@\"\n")}, // a script without its first line
		{"app/config/default.json", 0o644, []byte("{\"currency\": \"EUR\"}\n")},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/app/server\nledger:x:10002:10002::/home/ledger:/app/server\n")},
		{"etc/group", 0o644, []byte("root:x:0:\nledger:x:10002:\n")},
	}
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, d := range []struct {
		name string
		mode int64
	}{{"app/", 0o755}, {"app/config/", 0o755}, {"etc/", 0o755}, {"tmp/", 0o1777}, {"var/lib/shop/", 0o755}} {
		check(t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d.name, Mode: d.mode}))
	}
	for _, f := range files {
		add(t, f.name, f.mode, f.data)
	}
	check(t.Close())
	return b.Bytes()
}

// archive writes the docker-archive format: configs, one layer, a manifest.
func archive(names []string, layer []byte) []byte {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []entry
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	diff := digest(layer)
	add(t, diff+"/layer.tar", 0o644, layer)
	for _, name := range names {
		config := map[string]any{
			"architecture": "amd64", "os": "linux",
			// the label makes every config, and so every image ID, its own
			"config": map[string]any{
				"Entrypoint": []string{"/app/server"}, "User": users[name],
				"Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, "Labels": map[string]string{"ref": name},
			},
			"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diff}},
		}
		data, err := json.Marshal(config)
		check(err)
		file := digest(data) + ".json"
		add(t, file, 0o644, data)
		manifest = append(manifest, entry{file, []string{name}, []string{diff + "/layer.tar"}})
	}
	data, err := json.Marshal(manifest)
	check(err)
	add(t, "manifest.json", 0o644, data)
	check(t.Close())
	return b.Bytes()
}

func add(t *tar.Writer, name string, mode int64, data []byte) {
	check(t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}))
	_, err := t.Write(data)
	check(err)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
