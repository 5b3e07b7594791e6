package jobs

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Failed reports Jobs that the controller has given up.
var Failed = &analyzers.Analyzer{
	Name: "jobs/failed",
	Doc: `Jobs that have failed for good: retries, deadline, failure policy or indexes

One run of a CronJob that failed is forgotten when a later one has ended well. A Job that
still tries, or is suspended, has not failed.`,
	Needs: []schema.GroupKind{cluster.Jobs, cluster.Events},
	Emits: []analyzers.Code{jobFailed},
	Run:   failed,
}

// oldFailure is when a failed Job that nothing has cleaned up is a thing of the past.
const oldFailure = 24 * time.Hour

func failed(p *analyzers.Pass) error {
	for job := range cluster.Scoped[*batchv1.Job](p.Snapshot) {
		c := condition(job, batchv1.JobFailed)
		if c == nil || job.DeletionTimestamp != nil || !p.LastRunOf(job) || retired(p, job) {
			continue
		}
		ref := cluster.RefOf(job)
		f := analyzers.Finding{
			Code: jobFailed, Subject: p.Root(job), Affected: []analyzers.Ref{ref},
			Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.conditions[Failed]", Quote: analyzers.QuoteHead(c.Reason + ": " + c.Message), At: c.LastTransitionTime.Time}},
		}
		if p.Since(c.LastTransitionTime.Time) > oldFailure {
			f.Severity = analyzers.Warning
		}
		explain(p, job, c, &f)
		f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
		f.Fixes = append(f.Fixes, again(p, job))
		p.Report(f)
	}
	return nil
}

// retired is a run of a CronJob that was suspended afterwards: somebody has seen to it.
func retired(p *analyzers.Pass, job *batchv1.Job) bool {
	cron, ok := p.RootObject(job).(*batchv1.CronJob)
	return ok && cron.Spec.Suspend != nil && *cron.Spec.Suspend
}

func condition(job *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// policyWords are of k8s.io/kubernetes pkg/controller/job/pod_failure_policy.go.
var policyWords = regexp.MustCompile(`^(?:Container (\S+) for pod \S+ failed with exit code (\d+)|Pod \S+ has condition (\S+)) matching (\S+) rule at index (\d+)`)

// explain writes what the reason of the condition means for this Job (reasons:
// k8s.io/api/batch/v1/types.go; set in k8s.io/kubernetes pkg/controller/job/job_controller.go).
func explain(p *analyzers.Pass, job *batchv1.Job, c *batchv1.JobCondition, f *analyzers.Finding) {
	ref := cluster.RefOf(job)
	add := func(path, quote string) {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: path, Quote: quote})
	}
	switch c.Reason {
	case batchv1.JobReasonDeadlineExceeded:
		deadline(p, job, f)
		return
	case batchv1.JobReasonPodFailurePolicy:
		f.Summary = "Job ended at once, as its podFailurePolicy says"
		if m := policyWords.FindStringSubmatch(c.Message); m != nil && m[1] != "" {
			f.Summary += fmt.Sprintf(": container %s exited with code %s (rule %s)", m[1], m[2], m[5])
		} else if m != nil {
			f.Summary += fmt.Sprintf(": a pod had condition %s (rule %s)", m[3], m[5])
		}
	case batchv1.JobReasonFailedIndexes, batchv1.JobReasonMaxFailedIndexesExceeded:
		failedIndexes := ""
		if job.Status.FailedIndexes != nil {
			failedIndexes = *job.Status.FailedIndexes
		}
		f.Summary = fmt.Sprintf("Job failed at indexes %s of %d, the others done: %s", failedIndexes, value(job.Spec.Completions, 1), done(job.Status.CompletedIndexes))
		if !strings.ContainsAny(failedIndexes, ",-") {
			f.Summary = strings.Replace(f.Summary, "indexes", "index", 1)
		}
		add("status.failedIndexes", "failedIndexes: "+failedIndexes)
	case batchv1.JobReasonBackoffLimitExceeded:
		tries := value(job.Spec.BackoffLimit, 6) + 1
		f.Summary = fmt.Sprintf("Job gave up after %d failed tries (backoffLimit %d)", tries, tries-1)
		add("spec.backoffLimit", fmt.Sprintf("backoffLimit: %d; failed: %d", tries-1, job.Status.Failed))
	default:
		f.Summary = "Job has failed: " + firstOf(c.Message, c.Reason)
	}
	how, fact := lastEnd(p, job)
	f.Summary += how
	f.Evidence = append(f.Evidence, fact...)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show what the tries wrote", Argv: p.Kubectl(job.Namespace, "logs", "job/"+job.Name, "--all-pods=true", "--tail=50")})
	if fact == nil {
		// With OnFailure the one pod is deleted with the Job's failure, and its log with it
		// (https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy).
		f.Fixes[len(f.Fixes)-1] = analyzers.Fix{Why: "Show what is left of it; with restartPolicy Never the failed pods and their logs would stay", Argv: p.Kubectl(job.Namespace, "describe", "job", job.Name)}
	}
}

func done(indexes string) string {
	if indexes == "" {
		return "none"
	}
	return indexes
}

func value(n *int32, otherwise int32) int32 {
	if n == nil {
		return otherwise
	}
	return *n
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lastEnd is how the last pod of a Job ended, for the end of a summary.
func lastEnd(p *analyzers.Pass, job *batchv1.Job) (string, []analyzers.Evidence) {
	var last *corev1.Pod
	for _, pod := range p.PodsOf(job) {
		if pod.Status.Phase == corev1.PodFailed && (last == nil || pod.CreationTimestamp.After(last.CreationTimestamp.Time)) {
			last = pod
		}
	}
	switch {
	case last == nil && p.Sees(cluster.Pods, job.Namespace):
		return "; its pods are gone", nil
	case last == nil:
		return "", nil
	}
	source := cluster.RefOf(last).String()
	if last.Status.Reason != "" {
		return "; the last pod: " + last.Status.Reason, []analyzers.Evidence{{Source: source, Path: "status.reason", Quote: analyzers.QuoteHead(last.Status.Reason + ": " + last.Status.Message)}}
	}
	for _, status := range cluster.ContainerStatuses(last) {
		if end := status.State.Terminated; end != nil && end.ExitCode != 0 {
			quote := fmt.Sprintf("container %s: exitCode: %d, reason: %s", status.Name, end.ExitCode, end.Reason)
			how := fmt.Sprintf("; container %s exits with code %d", status.Name, end.ExitCode)
			if end.Reason == "OOMKilled" {
				how = fmt.Sprintf("; container %s is OOM-killed", status.Name)
			}
			return how, []analyzers.Evidence{{Source: source, Path: "status.containerStatuses[" + status.Name + "].state.terminated", Quote: quote, At: end.FinishedAt.Time}}
		}
	}
	return "", []analyzers.Evidence{{Source: source, Path: "status.phase", Quote: "phase: Failed"}}
}

// again is how the work is started once more when its fault is mended.
func again(p *analyzers.Pass, job *batchv1.Job) analyzers.Fix {
	if root := p.Root(job); root.Kind == "CronJob" {
		return analyzers.Fix{Why: "Run it again now, once the reason is mended", Argv: p.Kubectl(job.Namespace, "create", "job", root.Name+"-again", "--from=cronjob/"+root.Name)}
	}
	return analyzers.Fix{Why: "Once the reason is mended: delete the failed Job and apply its manifest again, as the template of a Job cannot be changed", Argv: p.Kubectl(job.Namespace, "delete", "job", job.Name)}
}
