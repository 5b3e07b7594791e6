// Command testapp plays the services of a small shop in the lab: one static
// binary whose flags decide how it behaves and how it breaks. It logs what a
// real service would log, harmless lines included, and never a diagnosis.
//
// At the start it goes through these steps, each only when its flag is set:
// need-env, need-file, write, wait-for, dial, and then listen. The *-after
// flags are timers that end the process in different ways. Without listen and
// without a timer it works as a queue worker until it gets SIGTERM.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type options struct {
	name, version string
	logJSON       bool

	needEnv, needFile, write, waitFor, dial string

	listen                           string
	healthz, readyz                  int
	answerDelay                      time.Duration
	readyAfter, unhealthyAfter       time.Duration
	exitAfter, panicAfter, segvAfter time.Duration
	recoverPanic, ignoreTerm         bool
	exitCode                         int
	allocPerSecond                   int

	get   string
	sleep time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.name, "name", filepath.Base(os.Args[0]), "service name in log lines")
	flag.StringVar(&o.version, "version", "1.4.2", "version in log lines")
	flag.BoolVar(&o.logJSON, "log-json", false, "log JSON instead of key=value text")
	flag.StringVar(&o.needEnv, "need-env", "", "exit 1 when one of these environment variables (comma list) is empty")
	flag.StringVar(&o.needFile, "need-file", "", "exit 1 when this file cannot be read")
	flag.StringVar(&o.write, "write", "", "create or append to this file, exit 1 when that fails")
	flag.StringVar(&o.waitFor, "wait-for", "", "loop until this host:port accepts a connection, then exit 0 (init container)")
	flag.StringVar(&o.dial, "dial", "", "connect to this host:port at the start, exit 1 when that fails")
	flag.StringVar(&o.listen, "listen", "", "serve HTTP on these addresses (comma list)")
	flag.IntVar(&o.healthz, "healthz", 200, "status code of /healthz")
	flag.IntVar(&o.readyz, "readyz", 200, "status code of /readyz")
	flag.DurationVar(&o.answerDelay, "answer-delay", 0, "delay of every answer")
	flag.DurationVar(&o.readyAfter, "ready-after", 0, "answer 503 on /readyz before this time")
	flag.DurationVar(&o.unhealthyAfter, "unhealthy-after", 0, "answer 500 on /healthz after this time")
	flag.DurationVar(&o.exitAfter, "exit-after", 0, "exit after this time")
	flag.IntVar(&o.exitCode, "exit-code", 0, "exit code of exit-after")
	flag.DurationVar(&o.panicAfter, "panic-after", 0, "panic after this time")
	flag.BoolVar(&o.recoverPanic, "recover-panic", false, "log the panic with its stack, shut down in order and exit 2")
	flag.DurationVar(&o.segvAfter, "segfault-after", 0, "die of SIGSEGV after this time")
	flag.IntVar(&o.allocPerSecond, "alloc", 0, "allocate this many MiB per second")
	flag.BoolVar(&o.ignoreTerm, "ignore-term", false, "ignore SIGTERM")
	flag.StringVar(&o.get, "get", "", "only GET this URL: exit 0 on a status below 400 (exec probe)")
	flag.DurationVar(&o.sleep, "sleep", 0, "only sleep and exit 0 (exec probe, short job)")
	flag.Parse()

	var h slog.Handler = slog.NewTextHandler(os.Stderr, nil)
	if o.logJSON {
		h = slog.NewJSONHandler(os.Stderr, nil)
	}
	slog.SetDefault(slog.New(h).With("service", o.name))

	switch {
	case o.get != "":
		os.Exit(probe(o.get))
	case o.sleep > 0:
		time.Sleep(o.sleep)
		return
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	slog.Info("starting", "version", o.version, "pid", os.Getpid(), "go_max_memory", "auto")
	slog.Info("configuration loaded", "warnings", 0, "errors", 0)
	if err := prepare(o); err != nil {
		slog.Error("startup failed", "err", err)
		os.Exit(1)
	}
	if o.waitFor != "" {
		waitFor(o.waitFor, signals)
		return
	}
	if o.listen != "" {
		if err := serve(o); err != nil {
			slog.Error("server stopped", "err", err)
			os.Exit(1)
		}
	}
	run(o, signals)
}

// prepare does what a service does before it serves; its errors are the real
// ones of the operating system or the network.
func prepare(o options) error {
	for _, name := range split(o.needEnv) {
		if os.Getenv(name) == "" {
			return fmt.Errorf("config: required key %s has no value", name)
		}
	}
	if o.needFile != "" {
		if _, err := os.ReadFile(o.needFile); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if o.write != "" {
		f, err := os.OpenFile(o.write, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, "opened", time.Now().Format(time.RFC3339)); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if o.dial != "" {
		c, err := net.DialTimeout("tcp", o.dial, 3*time.Second)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		c.Close()
		slog.Info("connected", "addr", o.dial, "retries", 0)
	}
	return nil
}

// waitFor polls an address as the usual wait-for init containers do.
func waitFor(addr string, stop <-chan os.Signal) {
	for {
		c, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err == nil {
			c.Close()
			slog.Info("available", "addr", addr)
			return
		}
		slog.Info("waiting", "addr", addr)
		select {
		case <-stop:
			os.Exit(143)
		case <-time.After(2 * time.Second):
		}
	}
}

// serve opens all listeners before it returns, so that a taken port or a
// forbidden one ends the process as in any server.
func serve(o options) error {
	start := time.Now()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int) {
		time.Sleep(o.answerDelay)
		w.WriteHeader(code)
		fmt.Fprintln(w, http.StatusText(code))
	}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		code := o.healthz
		if o.unhealthyAfter > 0 && time.Since(start) > o.unhealthyAfter {
			code = http.StatusInternalServerError
		}
		answer(w, code)
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		code := o.readyz
		if time.Since(start) < o.readyAfter {
			code = http.StatusServiceUnavailable
		}
		answer(w, code)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK) })
	for _, addr := range split(o.listen) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		slog.Info("listening", "addr", addr)
		go http.Serve(l, mux)
	}
	return nil
}

// run works until SIGTERM or until one of the timers ends the process.
func run(o options, stop chan os.Signal) {
	exit, panics, segv := timer(o.exitAfter), timer(o.panicAfter), timer(o.segvAfter)
	work := time.NewTicker(7 * time.Second)
	alloc := time.NewTicker(time.Second)
	var cache [][]byte
	slog.Info("cache warmed up", "entries", 1840, "failed", 0)
	for jobs := 1; ; {
		select {
		case <-stop:
			if o.ignoreTerm {
				continue
			}
			slog.Info("shutting down", "open_requests", 0, "error", "none")
			return
		case <-exit:
			if o.exitCode == 0 {
				slog.Info("done", "processed", 128, "errors", 0)
			} else {
				slog.Info("retrying after error: none")
				slog.Error("unexpected state, giving up", "state", "INIT", "attempt", 3)
			}
			os.Exit(o.exitCode)
		case <-panics:
			if o.recoverPanic {
				shutDownAfterPanic()
			}
			settle(nil, "order-20931")
		case <-segv:
			segfault()
		case <-alloc.C:
			if o.allocPerSecond > 0 {
				cache = append(cache, touched(o.allocPerSecond<<20))
				slog.Info("cache grown", "chunks", len(cache))
			}
		case <-work.C:
			slog.Info("batch finished", "batch", jobs, "items", 37, "errors", 0)
			jobs++
		}
	}
}

// settle writes into the ledger it is given; a nil ledger makes it panic as a
// programming error would.
func settle(ledger map[string]int, order string) { ledger[order] = len(order) }

// shutDownAfterPanic is the recover handler of many services: the stack is in
// the middle of the log and the last lines look harmless.
func shutDownAfterPanic() {
	defer func() {
		r := recover()
		slog.Error("panic recovered in worker", "panic", fmt.Sprint(r))
		os.Stderr.Write(debug.Stack())
		slog.Info("draining connections", "open", 0)
		slog.Warn("metrics flush skipped", "err", "context canceled")
		slog.Info("retrying after error: none")
		slog.Info("bye", "errors", 0)
		os.Exit(2)
	}()
	settle(nil, "order-20931")
}

// segfault gives SIGSEGV back to the kernel and reads an unmapped address:
// the process dies of the signal, without Go's own panic.
func segfault() {
	type sigaction struct {
		handler, flags, restorer, mask uintptr
	}
	var dfl sigaction
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV), uintptr(unsafe.Pointer(&dfl)), 0, 8, 0, 0)
	unmapped := uintptr(0x10)
	p := *(**int)(unsafe.Pointer(&unmapped))
	*p = 1
}

// touched returns n bytes that really occupy memory.
func touched(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

func probe(url string) int {
	c := http.Client{Timeout: 5 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		fmt.Println(errors.Unwrap(err))
		return 1
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= 400 {
		fmt.Println("status", resp.StatusCode)
		return 1
	}
	return 0
}

func timer(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
