package jobs

import (
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotDue reports CronJobs that are never due: by a date that does not come, by a time zone
// or schedule that the controller cannot read, or because they are suspended.
var NotDue = &analyzers.Analyzer{
	Name: "jobs/not-due",
	Doc: `CronJobs whose schedule never comes due, or that are suspended

A suspended one is only noted: somebody has set it so.`,
	Needs: []schema.GroupKind{cluster.CronJobs, cluster.Events},
	Emits: []analyzers.Code{notDue},
	Run:   neverDue,
}

func neverDue(p *analyzers.Pass) error {
	for cron := range cluster.Scoped[*batchv1.CronJob](p.Snapshot) {
		if cron.DeletionTimestamp != nil {
			continue
		}
		ref := cluster.RefOf(cron)
		f := analyzers.Finding{Code: notDue, Subject: ref}
		field := analyzers.Evidence{Source: ref.String(), Path: "spec.schedule", Quote: "schedule: " + cron.Spec.Schedule}
		s, readable := scheduleOf(cron)
		switch {
		case cron.Spec.Suspend != nil && *cron.Spec.Suspend:
			f.Severity = analyzers.Info
			f.Summary = "Suspended: it starts no Jobs until somebody lets it go on"
			if t := cron.Status.LastScheduleTime; t != nil {
				f.Summary = fmt.Sprintf("Suspended: it starts no Jobs until somebody lets it go on (last start %s)", t.UTC().Format("2006-01-02 15:04 MST"))
			}
			field = analyzers.Evidence{Source: ref.String(), Path: "spec.suspend", Quote: "suspend: true"}
			f.Fixes = []analyzers.Fix{{Why: "Let it go on", Argv: patch(p, cron, `{"spec":{"suspend":false}}`)}}
		case readable && s.next(p.Now()).IsZero():
			f.Summary = fmt.Sprintf("Schedule %q never comes due: %s", cron.Spec.Schedule, impossible(s))
			f.Evidence = evidenceOf(p, cron, "InvalidSchedule", cron.Spec.Schedule)
			f.Fixes = []analyzers.Fix{
				{Why: "Write a date that exists; the 28th is in every month", Argv: patch(p, cron, `{"spec":{"schedule":"<minute hour day month weekday>"}}`)},
			}
		default:
			if !unread(p, cron, &f) {
				continue
			}
			if strings.Contains(f.Summary, "time zone") && cron.Spec.TimeZone != nil {
				field = analyzers.Evidence{Source: ref.String(), Path: "spec.timeZone", Quote: "timeZone: " + *cron.Spec.TimeZone}
			}
		}
		f.Evidence = append(f.Evidence, field)
		p.Report(f)
	}
	return nil
}

// unread goes by the controller's events about the present spec (k8s.io/kubernetes
// pkg/controller/cronjob/cronjob_controllerv2.go, syncCronJob). The API server refuses such
// a spec; it comes from before an update, or the controller's machine knows fewer zones.
func unread(p *analyzers.Pass, cron *batchv1.CronJob, f *analyzers.Finding) bool {
	if zone := cron.Spec.TimeZone; zone != nil && *zone != "" {
		if f.Evidence = evidenceOf(p, cron, "UnknownTimeZone", fmt.Sprintf("%q", *zone)); f.Evidence != nil {
			f.Summary = fmt.Sprintf("The controller does not know the time zone %s, so no Job is started", *zone)
			f.Fixes = []analyzers.Fix{{Why: "Name a zone of the IANA list that the controller's machine has", Argv: patch(p, cron, `{"spec":{"timeZone":"Etc/UTC"}}`)}}
			return true
		}
	}
	for _, reason := range []string{"UnparseableSchedule", "UnParseableCronJobSchedule", "InvalidSchedule"} {
		if f.Evidence = evidenceOf(p, cron, reason, cron.Spec.Schedule); f.Evidence != nil {
			f.Summary = analyzers.Line(fmt.Sprintf("The controller cannot read the schedule %q, so no Job is started", cron.Spec.Schedule), analyzers.MaxSummary)
			f.Fixes = []analyzers.Fix{{Why: "Write the schedule as minute, hour, day, month, weekday", Argv: patch(p, cron, `{"spec":{"schedule":"<minute hour day month weekday>"}}`)}}
			return true
		}
	}
	return false
}

// evidenceOf is an event that speaks of what the spec holds now; nil when there is none.
func evidenceOf(p *analyzers.Pass, cron *batchv1.CronJob, reason, present string) []analyzers.Evidence {
	ev, ok := p.LastEvent(cron, func(ev *corev1.Event) bool { return strings.Contains(ev.Message, present) }, reason)
	if !ok {
		return nil
	}
	return []analyzers.Evidence{analyzers.EventEvidence(cluster.RefOf(cron), ev)}
}

// impossible names the day that none of the months has.
func impossible(s schedule) string {
	for day := 31; day > 29; day-- {
		if s.day&(1<<day) != 0 {
			return fmt.Sprintf("its months have no day %d", day)
		}
	}
	return "there is no such date"
}

func patch(p *analyzers.Pass, cron *batchv1.CronJob, data string) []string {
	return p.Kubectl(cron.Namespace, "patch", cluster.RefOf(cron).Short(), "--type", "strategic", "-p", data)
}
