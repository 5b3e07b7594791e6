package probes

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const noHandshake = `Readiness probe failed: timeout: failed to connect service "10.244.0.13:8080" within 1s: context deadline exceeded`

// TestNoGRPC: a longer timeout makes no server speak gRPC.
func TestNoGRPC(t *testing.T) {
	c := asking(8080)
	c.ReadinessProbe.ProbeHandler = corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}
	for log, want := range map[string]string{"listening on :8080": "tcpSocket", "grpc server listening on :8080": ""} {
		f := run(t, scene(t, time.Hour, c, noHandshake, log))
		if len(f) != 1 || !strings.Contains(f[0].Summary, "finds no gRPC server") {
			t.Fatalf("%s: %+v", log, f)
		}
		if got := f[0].Fixes[0].Command(); strings.Contains(got, "timeoutSeconds") || !strings.Contains(got, want) || want == "" && strings.Contains(got, "patch") {
			t.Errorf("%s: %s", log, got)
		}
	}
}
