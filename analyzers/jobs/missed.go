package jobs

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Missed reports CronJobs whose time has come again and again without a Job being started.
var Missed = &analyzers.Analyzer{
	Name: "jobs/missed",
	Doc: `CronJobs that are due and start no Job

Because a former Job never ends and no second one is allowed, because the deadline for a
start is over too soon, or because no controller is at work. A Job that now and then takes
longer than the time between two runs is no fault, nor is a schedule that was changed a
moment ago. A CronJob whose Jobs the API server refuses is told of by rollouts.`,
	Needs: []schema.GroupKind{cluster.CronJobs, cluster.Events},
	Emits: []analyzers.Code{missed},
	Run:   missedRuns,
}

const (
	enough = 3                // runs in a row that were left out
	late   = 10 * time.Minute // for what only the clocks of two machines tell
	many   = 100              // the controller counts no further either
)

func missedRuns(p *analyzers.Pass) error {
	for cron := range cluster.Scoped[*batchv1.CronJob](p.Snapshot) {
		if cron.DeletionTimestamp != nil || cron.Spec.Suspend != nil && *cron.Spec.Suspend {
			continue
		}
		s, ok := scheduleOf(cron)
		if !ok || s.next(p.Now()).IsZero() {
			continue
		}
		if job := holding(p, cron); job != nil {
			reportHeld(p, cron, s, job)
			continue
		}
		if ev, ok := p.LastEvent(cron, nil, "FailedCreate", "SuccessfulCreate"); ok && ev.Reason == "FailedCreate" {
			continue
		}
		if !reportTooLate(p, cron) {
			reportIdle(p, cron, s)
		}
	}
	return nil
}

// lastStart is when the controller started the last Job, or could first have started one.
func lastStart(cron *batchv1.CronJob) time.Time {
	if t := cron.Status.LastScheduleTime; t != nil {
		return t.Time
	}
	return cron.CreationTimestamp.Time
}

// holding is the oldest unfinished Job of a CronJob that allows no second one.
func holding(p *analyzers.Pass, cron *batchv1.CronJob) *batchv1.Job {
	if cron.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || len(cron.Status.Active) == 0 {
		return nil
	}
	var oldest *batchv1.Job
	for _, o := range p.Owned(cron) {
		job, ok := o.(*batchv1.Job)
		if !ok || cluster.JobIs(job, batchv1.JobComplete) || cluster.JobIs(job, batchv1.JobFailed) {
			continue
		}
		// The controller goes by its own list of active Jobs.
		listed := slices.ContainsFunc(cron.Status.Active, func(ref corev1.ObjectReference) bool { return ref.Name == job.Name })
		if listed && (oldest == nil || job.CreationTimestamp.Before(&oldest.CreationTimestamp)) {
			oldest = job
		}
	}
	return oldest
}

// reportHeld is a warning: what keeps the Job from ending has a finding of its own where
// it can be seen, and some let one Job run on purpose, restarted by its schedule.
func reportHeld(p *analyzers.Pass, cron *batchv1.CronJob, s schedule, job *batchv1.Job) {
	left, first := s.due(later(lastStart(cron), job.CreationTimestamp.Time), p.Now(), many)
	ev, told := p.LastEvent(cron, nil, "JobAlreadyActive")
	told = told && cluster.EventTime(ev).After(job.CreationTimestamp.Time)
	// A schedule that was changed since the last start makes it seem late. (The generation
	// is 1 until somebody changes the spec.)
	if left < enough || !(told && cluster.EventCount(ev) >= enough-1) && cron.Generation > 1 {
		return
	}
	ref, holder := cluster.RefOf(cron), cluster.RefOf(job)
	age := span(p.Since(job.CreationTimestamp.Time))
	f := analyzers.Finding{
		Code: missed, Severity: analyzers.Warning, Subject: ref, Affected: []analyzers.Ref{holder},
		Summary: fmt.Sprintf("Starts nothing: its last Job has been active for %s, and concurrencyPolicy is Forbid", age),
		Evidence: []analyzers.Evidence{
			{Source: holder.String(), Path: "status.active", Quote: fmt.Sprintf("active: %d since %s", job.Status.Active, job.CreationTimestamp.UTC().Format(time.RFC3339)), At: job.CreationTimestamp.Time},
			{Source: ref.String(), Path: "spec", Quote: fmt.Sprintf("schedule: %s, concurrencyPolicy: Forbid", cron.Spec.Schedule)},
			{Source: ref.String(), Path: "status.lastScheduleTime", Quote: "due and left out since " + first.Format(time.RFC3339), At: first},
		},
	}
	if told {
		f.Evidence = append(f.Evidence, analyzers.EventEvidence(ref, ev))
	}
	for _, pod := range p.PodsOf(job) {
		if stage, why := p.Unready(pod); stage >= cluster.Late {
			f.Summary = analyzers.Line(f.Summary+"; "+why, analyzers.MaxSummary)
			break
		}
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Show what the Job that is active does", Argv: p.Kubectl(cron.Namespace, "logs", "job/"+job.Name, "--all-containers", "--tail=50")},
		{Why: "End it, so that the next run starts", Argv: p.Kubectl(cron.Namespace, "delete", "job", job.Name)},
	}
	if cron.Spec.JobTemplate.Spec.ActiveDeadlineSeconds == nil {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Let a run that hangs be ended in future (a time that no good run needs)",
			Argv: p.Kubectl(cron.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", `{"spec":{"jobTemplate":{"spec":{"activeDeadlineSeconds":3600}}}}`),
		})
	}
	p.Report(f)
}

// reportTooLate goes by the controller's own words, which it writes for each start that it
// left out (k8s.io/kubernetes pkg/controller/cronjob/cronjob_controllerv2.go, MissSchedule).
func reportTooLate(p *analyzers.Pass, cron *batchv1.CronJob) bool {
	limit := cron.Spec.StartingDeadlineSeconds
	if limit == nil {
		return false
	}
	starts := map[string]bool{}
	var last *corev1.Event
	for _, ev := range p.EventsFor(cron) {
		if ev.Reason == "MissSchedule" && cluster.EventTime(ev).After(lastStart(cron)) {
			starts[ev.Message] = true
			last = ev
		}
	}
	if len(starts) < 2 {
		return false
	}
	ref := cluster.RefOf(cron)
	p.Report(analyzers.Finding{
		Code: missed, Subject: ref,
		Summary: fmt.Sprintf("Starts are left out: startingDeadlineSeconds of %d is over before the controller comes to them", *limit),
		Evidence: []analyzers.Evidence{
			analyzers.EventEvidence(ref, last),
			{Source: ref.String(), Path: "spec.startingDeadlineSeconds", Quote: fmt.Sprintf("startingDeadlineSeconds: %d", *limit)},
		},
		Fixes: []analyzers.Fix{{
			Why:  "Allow a start to be late by some minutes",
			Argv: p.Kubectl(cron.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", `{"spec":{"startingDeadlineSeconds":300}}`),
		}},
	})
	return true
}

// reportIdle is for a CronJob that nothing holds and nobody starts. One with a deadline is
// left alone: a controller that was down for a while leaves the starts of that time out.
func reportIdle(p *analyzers.Pass, cron *batchv1.CronJob, s schedule) {
	left, first := s.due(lastStart(cron), p.Now(), many)
	if left < 2 || p.Since(first) < late || cron.Generation != 1 || cron.Spec.StartingDeadlineSeconds != nil {
		return
	}
	ref := cluster.RefOf(cron)
	p.Report(analyzers.Finding{
		Code: missed, Subject: ref,
		Summary: fmt.Sprintf("Due at %s and not started, and no event says why: the controller of CronJobs is not at work", first.Format("2006-01-02 15:04 MST")),
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "status.lastScheduleTime", Quote: "last start " + lastStart(cron).UTC().Format(time.RFC3339), At: lastStart(cron)},
			{Source: ref.String(), Path: "spec.schedule", Quote: "schedule: " + cron.Spec.Schedule},
		},
		CausedBy: []analyzers.Ref{{Kind: "Controller", Name: "kube-controller-manager"}},
		Shared:   "CronJobs are due and not started: their controller is not at work",
		Fixes:    []analyzers.Fix{{Why: "Show whether the controller manager runs, and its log", Argv: p.Kubectl("kube-system", "get", "pods,leases")}},
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// span is a duration for people: "2h10m", "3 days".
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}
