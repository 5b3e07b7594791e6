// Command record breaks things for real: it applies a scenario to the lab's
// cluster, waits until the fault has happened, records what Kubernetes wrote,
// and deletes the namespace again.
//
//	record [-dir evals/scenarios] [-out DIR] [-with COMMAND] [NAME...]
//
// Scenarios run at once unless they need nodes or other cluster-wide objects;
// those run one by one after the others. Without -with, the recording is two
// lists of objects (namespace.json, cluster.json) and the logs of the failing
// containers. With it, the command gets NAMESPACE, SCENARIO and OUT.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

type lab struct {
	kubectl, out, with string
	keep               bool
}

func main() {
	log.SetFlags(log.Ltime)
	var l lab
	dir := flag.String("dir", "evals/scenarios", "folder of the scenarios")
	parallel := flag.Int("parallel", 8, "scenarios to run at once")
	check := flag.Bool("check", false, "only read and validate the scenarios")
	flag.StringVar(&l.kubectl, "kubectl", "kubectl", "kubectl to run")
	flag.StringVar(&l.out, "out", filepath.Join(os.TempDir(), "fathom-recordings"), "folder for the recordings")
	flag.StringVar(&l.with, "with", "", "shell command that records instead of the built-in recording")
	flag.BoolVar(&l.keep, "keep", false, "leave the namespace and its objects behind")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	shared, alone, err := scenarios(*dir, flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	if *check {
		log.Printf("%d scenarios, %d of them run alone", len(shared)+len(alone), len(alone))
		return
	}
	failed := l.runAll(ctx, shared, *parallel)
	failed = append(failed, l.runAll(ctx, alone, 1)...)
	log.Printf("%d recorded, %d failed: %s", len(shared)+len(alone)-len(failed), len(failed), strings.Join(failed, " "))
	if len(failed) > 0 {
		os.Exit(1)
	}
}

// scenarios reads the named scenarios, or all, split by exclusive.
func scenarios(dir string, names []string) (shared, alone []*Scenario, err error) {
	if len(names) == 0 {
		files, err := filepath.Glob(filepath.Join(dir, "*", "scenario.yaml"))
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			names = append(names, filepath.Base(filepath.Dir(f)))
		}
	}
	for _, name := range names {
		s, err := load(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		if s.exclusive() {
			alone = append(alone, s)
		} else {
			shared = append(shared, s)
		}
	}
	return shared, alone, nil
}

// runAll runs the scenarios, at most n at once, and returns the failed ones.
func (l *lab) runAll(ctx context.Context, all []*Scenario, n int) []string {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed []string
	slots := make(chan struct{}, max(n, 1))
	for _, s := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			if err := l.run(ctx, s); err != nil {
				log.Printf("FAIL %s (%s): %v", s.name, time.Since(start).Round(time.Second), err)
				mu.Lock()
				failed = append(failed, s.name)
				mu.Unlock()
				return
			}
			log.Printf("ok   %s (%s)", s.name, time.Since(start).Round(time.Second))
		})
	}
	wg.Wait()
	return failed
}

// run plays one scenario. A fault that does not happen in time is recorded
// too, in a folder of its own, to see what happened instead.
func (l *lab) run(ctx context.Context, s *Scenario) (err error) {
	l.clean(s)
	if !l.keep {
		defer l.clean(s)
	}
	if s.Nodes != "" {
		if err := l.apply(ctx, s, s.Nodes); err != nil {
			return err
		}
		if err := l.wait(ctx, s, nodesReady); err != nil {
			return fmt.Errorf("nodes: %w", err)
		}
	}
	if _, err := l.do(ctx, "create", "namespace", s.Namespace); err != nil {
		return err
	}
	if err := l.wait(ctx, s, namespaceReady); err != nil {
		return fmt.Errorf("namespace: %w", err)
	}
	if err := l.apply(ctx, s, "manifests.yaml"); err != nil {
		return err
	}
	out := filepath.Join(l.out, s.name)
	missed := l.steps(ctx, s)
	if missed == nil {
		missed = l.wait(ctx, s, s.Wait)
	}
	if missed != nil {
		out += ".missed"
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := l.record(ctx, s, out); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return missed
}

var (
	nodesReady = Wait{Timeout: Duration(time.Minute), For: []Check{
		{Get: "nodes", Path: `{.items[*].status.conditions[?(@.type=="Ready")].status}`, Match: `^(True ?)+$`},
	}}
	namespaceReady = Wait{Timeout: Duration(time.Minute), For: []Check{
		{Get: "serviceaccounts", Path: `{.items[*].metadata.name}`, Match: `default`},
		{Get: "configmaps", Path: `{.items[*].metadata.name}`, Match: `kube-root-ca.crt`},
	}}
)

func (l *lab) steps(ctx context.Context, s *Scenario) error {
	for i, step := range s.Steps {
		var err error
		switch {
		case step.Apply != "":
			err = l.apply(ctx, s, step.Apply)
		case step.Kubectl != "":
			_, err = l.do(ctx, append([]string{"-n", s.Namespace}, strings.Fields(step.Kubectl)...)...)
		case step.Patch != nil:
			args := []string{"-n", s.Namespace, "patch", step.Patch.Object, "-p", step.Patch.JSON}
			if step.Patch.Subresource != "" {
				args = append(args, "--type=merge", "--subresource="+step.Patch.Subresource)
			}
			_, err = l.do(ctx, args...)
		case step.Wait != nil:
			if step.Wait.Timeout == 0 {
				step.Wait.Timeout = s.Wait.Timeout
			}
			err = l.wait(ctx, s, *step.Wait)
		default:
			time.Sleep(time.Duration(step.Sleep))
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// wait polls the checks until all hold, and then for the settle time.
func (l *lab) wait(ctx context.Context, s *Scenario, w Wait) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.Timeout))
	defer cancel()
	open := w.For
	for len(open) > 0 {
		c := open[0]
		args := append([]string{"-n", s.Namespace, "get"}, strings.Fields(c.Get)...)
		got, err := l.do(ctx, append(args, "-o", "jsonpath="+c.Path)...)
		if err == nil && regexp.MustCompile(c.Match).MatchString(got) {
			open = open[1:]
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not seen in %s: %s %s is %q, not %q", time.Duration(w.Timeout), c.Get, c.Path, got, c.Match)
		case <-time.After(2 * time.Second):
		}
	}
	time.Sleep(time.Duration(w.Settle))
	return nil
}

func (l *lab) apply(ctx context.Context, s *Scenario, file string) error {
	_, err := l.do(ctx, "-n", s.Namespace, "apply", "-f", filepath.Join(s.dir, file))
	return err
}

// clean removes the namespace and what the scenario made outside of it.
func (l *lab) clean(s *Scenario) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// pods first and at once: some ignore SIGTERM on purpose
	l.do(ctx, "delete", "namespace", s.Namespace, "--ignore-not-found", "--wait=false")
	l.do(ctx, "-n", s.Namespace, "delete", "pods", "--all", "--grace-period=1", "--wait=false")
	l.do(ctx, "delete", "namespace", s.Namespace, "--ignore-not-found")
	if s.exclusive() {
		l.do(ctx, "-n", s.Namespace, "delete", "-f", filepath.Join(s.dir, "manifests.yaml"), "--ignore-not-found")
	}
	if s.Nodes != "" {
		l.do(ctx, "delete", "-f", filepath.Join(s.dir, s.Nodes), "--ignore-not-found")
	}
}

const (
	namespaced = "pods,events,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,services,endpointslices,ingresses," +
		"configmaps,secrets,persistentvolumeclaims,poddisruptionbudgets,horizontalpodautoscalers,resourcequotas,limitranges,serviceaccounts"
	clusterWide = "namespaces,nodes,persistentvolumes,storageclasses,priorityclasses"
)

func (l *lab) record(ctx context.Context, s *Scenario, out string) error {
	if l.with != "" {
		cmd := exec.CommandContext(ctx, "sh", "-c", l.with)
		cmd.Env = append(os.Environ(), "NAMESPACE="+s.Namespace, "SCENARIO="+s.name, "OUT="+out)
		b, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(b))
		}
		return nil
	}
	objects, err := l.list(ctx, filepath.Join(out, "namespace.json"), "-n", s.Namespace, "get", namespaced)
	if err != nil {
		return err
	}
	if _, err := l.list(ctx, filepath.Join(out, "cluster.json"), "get", clusterWide); err != nil {
		return err
	}
	return l.logs(ctx, s, out, objects)
}

// list writes the objects as one List, secrets without their values.
func (l *lab) list(ctx context.Context, file string, args ...string) ([]object, error) {
	got, err := l.do(ctx, append(args, "-o", "json", "--show-managed-fields")...)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []object `json:"items"`
	}
	if err := json.Unmarshal([]byte(got), &list); err != nil {
		return nil, err
	}
	for _, o := range list.Items {
		if o["kind"] == "Secret" {
			for key := range o.get("data") {
				o.get("data")[key] = ""
			}
			delete(o.get("metadata", "annotations"), "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	b, err := json.MarshalIndent(map[string]any{"apiVersion": "v1", "kind": "List", "items": list.Items}, "", " ")
	if err != nil {
		return nil, err
	}
	return list.Items, os.WriteFile(file, b, 0o644)
}

// logs saves the current and the previous log of containers that are not fine.
func (l *lab) logs(ctx context.Context, s *Scenario, out string, objects []object) error {
	for _, o := range objects {
		if o["kind"] != "Pod" {
			continue
		}
		pod := fmt.Sprint(o.get("metadata")["name"])
		for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
			list, _ := o.get("status")[field].([]any)
			for _, item := range list {
				c := object(item.(map[string]any))
				if c["ready"] == true && c["restartCount"] == 0.0 {
					continue
				}
				container := fmt.Sprint(c["name"])
				l.log(ctx, s, filepath.Join(out, "logs"), pod, container, false)
				l.log(ctx, s, filepath.Join(out, "logs"), pod, container, true)
			}
		}
	}
	return nil
}

func (l *lab) log(ctx context.Context, s *Scenario, dir, pod, container string, previous bool) {
	args, suffix := []string{"-n", s.Namespace, "logs", pod, "-c", container, "--timestamps"}, ".log"
	if previous {
		args, suffix = append(args, "--previous"), ".previous.log"
	}
	got, err := l.do(ctx, args...)
	if err != nil {
		return // never started, or no earlier run
	}
	if err := os.MkdirAll(dir, 0o755); err == nil {
		os.WriteFile(filepath.Join(dir, pod+"."+container+suffix), []byte(got), 0o644)
	}
}

// object is any JSON object; get walks down and never fails.
type object map[string]any

func (o object) get(path ...string) object {
	for _, p := range path {
		next, _ := o[p].(map[string]any)
		o = next
	}
	return o
}

func (l *lab) do(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, l.kubectl, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args[:min(4, len(args))], " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
