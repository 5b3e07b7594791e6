// Package pods follows a pod on its way from the API server to its users, stage by stage,
// and reports pods that stand still on their node with nothing else to explain it.
package pods
