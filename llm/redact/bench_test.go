package redact

import (
	"strings"
	"testing"
)

// lines are ordinary ones: what nearly all text of a cluster is like.
var lines = []string{
	`Back-off restarting failed container app in pod web-7d9f8c6b5-x2x9k_shop(0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01)`,
	`level=info ts=2024-01-02T15:04:05.123Z caller=main.go:42 msg="request served" method=GET path=/api/v1/orders status=200 duration=12.3ms`,
	`Readiness probe failed: Get "http://10.244.1.17:8080/healthz": dial tcp 10.244.1.17:8080: connect: connection refused`,
	`{"level":"info","ts":"2024-01-02T15:04:05Z","logger":"controller","msg":"reconciled","namespace":"shop","name":"web","duration":0.0123}`,
	`Successfully assigned shop/web-7d9f8c6b5-x2x9k to gke-prod-default-pool-3f2a1b4c-x7k2`,
	`2024-01-02 15:04:05.123  INFO 1 --- [nio-8080-exec-1] o.s.web.servlet.DispatcherServlet        : Completed initialization in 2 ms`,
}

var lineNames = []string{"backoff", "logfmt", "probe", "json", "scheduled", "spring"}

// BenchmarkTextPlain is the cost of a line without a secret.
func BenchmarkTextPlain(b *testing.B) {
	r := New()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Text(lines[i%len(lines)])
	}
}

func BenchmarkTextPlainLine(b *testing.B) {
	for i, line := range lines {
		b.Run(lineNames[i], func(b *testing.B) {
			r := New()
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				r.Text(line)
			}
		})
	}
}

func BenchmarkTextSecretNames(b *testing.B) {
	r := New()
	b.ReportAllocs()
	for b.Loop() {
		r.Text(`secrets "db-token" is forbidden: secretName: db, secretKeyRef: password, token: not found, tokenExpirationSeconds: 3600`)
	}
}

func BenchmarkTextMasked(b *testing.B) {
	r := New()
	b.ReportAllocs()
	for b.Loop() {
		r.Text(`connecting to postgres://app:hunter2@db.shop.svc:5432/orders with token=abcdef`)
	}
}

func BenchmarkTextLog(b *testing.B) {
	text := strings.Repeat(strings.Join(lines, "\n")+"\n", 1000)
	r := New()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r.Text(text)
	}
}

func BenchmarkValuePlain(b *testing.B) {
	r := New()
	b.ReportAllocs()
	for b.Loop() {
		r.Value("DB_HOST", "db.shop.svc.cluster.local")
	}
}

func BenchmarkArgsPlain(b *testing.B) {
	r := New()
	args := []string{"/app/server", "--port=8080", "--log-level", "info", "--config", "/etc/app/config.yaml"}
	b.ReportAllocs()
	for b.Loop() {
		r.Args(args)
	}
}
