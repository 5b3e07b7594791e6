package probes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestFails(t *testing.T) {
	http := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{}}}
	exec := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}
	for _, test := range []struct {
		message string
		probe   *corev1.Probe
		want    mode
	}{
		{"Readiness probe failed: HTTP probe failed with statuscode: 503", http, status},
		{`Readiness probe failed: Get "http://10.244.0.13:8081/readyz": dial tcp 10.244.0.13:8081: connect: connection refused`, http, refused},
		{"Liveness probe failed: dial tcp 10.244.0.13:5432: connect: connection refused", http, refused},
		{`Liveness probe failed: Get "http://10.244.0.120:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, http, silent},
		{"Liveness probe failed: dial tcp 10.244.0.13:5432: i/o timeout", http, silent},
		{`Startup probe failed: timeout: failed to connect service "10.244.0.5:9000" within 1s: context deadline exceeded`, http, silent},
		{"Startup probe failed: timeout: health rpc did not complete within 1s", http, silent},
		{`Startup probe failed: service unhealthy (responded with "NOT_SERVING")`, http, unserved},
		{"Startup probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service", http, noHealth},
		{`Readiness probe failed: Get "https://10.244.0.9:8080/": http: server gave HTTP response to HTTPS client`, http, scheme},
		{`Readiness probe failed: Get "http://10.244.0.9:3306/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "J"`, http, garbled},
		{`Readiness probe errored and resulted in unknown state: port "http" not found`, http, portName},
		{`Liveness probe failed: command timed out: "/app/server -sleep=20s" timed out after 1s`, exec, slow},
		{`Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: failed to start exec "5916": OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/grpc_health_probe": stat /bin/grpc_health_probe: no such file or directory: unknown`, exec, missing},
		{"Readiness probe failed: /bin/sh: curl: not found\n", exec, missing},
		{"Readiness probe failed: cat: /tmp/ready: No such file or directory\n", exec, exited},
		{"Readiness probe failed: key not found", exec, exited},
		{"Readiness probe failed: ", exec, exited},
		{"Readiness probe failed: something else", http, other},
		{"", nil, other},
	} {
		if got := fails(test.message, test.probe); got.mode != test.want {
			t.Errorf("%s\n\tmode %d, want %d (%q)", test.message, got.mode, test.want, got.text)
		}
	}
}

func TestListeners(t *testing.T) {
	for _, test := range []struct {
		line     string
		port     int
		loopback bool
	}{
		{"2026-11-23T06:26:06.73Z time=2026-11-23T06:26:06.732Z level=INFO msg=listening service=server addr=127.0.0.1:8080", 8080, true},
		{"time=2026-11-23T06:18:37.210Z level=INFO msg=listening service=server addr=:8080", 8080, false},
		{" * Running on http://127.0.0.1:5000", 5000, true},
		{"INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", 8000, false},
		{"[INFO] Listening at: http://127.0.0.1:8000 (1)", 8000, true},
		{"      Now listening on: http://[::]:8080", 8080, false},
		{"      Now listening on: http://localhost:5000", 5000, true},
		{"Tomcat started on port(s): 8080 (http) with context path ''", 8080, false},
		{"Server is running on port 3000", 3000, false},
		{"Starting development server at http://127.0.0.1:8000/", 8000, true},
		{"* Listening on tcp://localhost:3000", 3000, true},
		{`{"level":"info","msg":"listening","addr":"[::1]:9000"}`, 9000, true},
		{"listen tcp :8080: bind: address already in use", 0, false},
		{"connecting to localhost:5432", 0, false},
		{"dial tcp 127.0.0.1:5432: connect: connection refused", 0, false},
		{"GET http://localhost:8080/ 200", 0, false},
	} {
		got := listeners([]string{test.line})
		if test.port == 0 {
			if len(got) > 0 {
				t.Errorf("%s\n\t%+v", test.line, got)
			}
			continue
		}
		if len(got) != 1 || got[0].port != test.port || got[0].loopback != test.loopback {
			t.Errorf("%s\n\t%+v", test.line, got)
		}
	}
}
