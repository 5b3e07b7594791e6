package jobs

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
)

func TestNext(t *testing.T) {
	const from = "2026-11-23T09:30:15Z" // a Monday
	for _, c := range []struct{ schedule, zone, want string }{
		{"* * * * *", "", "2026-11-23T09:31:00Z"},
		{"*/15 * * * *", "", "2026-11-23T09:45:00Z"},
		{"0 3 * * *", "", "2026-11-24T03:00:00Z"},
		{"0 3 * * *", "Europe/Berlin", "2026-11-24T02:00:00Z"},
		{"30 2 * * sun", "", "2026-11-29T02:30:00Z"},
		{"0 0 1 1 *", "", "2027-01-01T00:00:00Z"},
		{"@hourly", "", "2026-11-23T10:00:00Z"},
		{"@every 90s", "", "2026-11-23T09:31:45Z"},
		{"0 12 13 * 5", "", "2026-11-27T12:00:00Z"}, // the 13th, or any Friday
		{"0 0 29 2 *", "", "2028-02-29T00:00:00Z"},
		{"0 3 31 2,4 *", "", ""},
		{"5/20 9-10 * JAN-DEC ?", "", "2026-11-23T09:45:00Z"},
	} {
		start, _ := time.Parse(time.RFC3339, from)
		s, ok := scheduleOf(&batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: c.schedule, TimeZone: &c.zone}})
		got := ""
		if next := s.next(start); !next.IsZero() {
			got = next.UTC().Format(time.RFC3339)
		}
		if !ok || got != c.want {
			t.Errorf("%q in %q: %v %q, want %q", c.schedule, c.zone, ok, got, c.want)
		}
	}
	for _, bad := range []string{"", "* * * *", "60 * * * *", "a * * * *", "*/0 * * * *", "5-1 * * * *", "@reboot", "TZ=UTC * * * * *"} {
		if _, ok := scheduleOf(&batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: bad}}); ok {
			t.Errorf("%q is read", bad)
		}
	}
}
