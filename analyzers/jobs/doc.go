// Package jobs holds the checks of Jobs that have given up and of CronJobs that start
// none. Why a Job's program ends with an error is told by package crashes, and why it has
// no pod by package rollouts: what is said here follows from that where it is seen.
package jobs
