// Package rollouts finds updates that do not arrive and pods that are never created: a
// rollout beyond its deadline, paused or held by one pod, and the API server's refusals
// (quota, limits, Pod Security, policies, webhooks, a missing service account). It also
// says what changed between two revisions of a workload, for `fathom why`.
//
// Not decidable from a Snapshot, and so not reported: a change that the API server
// refuses, such as one of an immutable selector, leaves no object; the old one stands as
// it was. Requests that are lost while pods are replaced show in no object either.
package rollouts
