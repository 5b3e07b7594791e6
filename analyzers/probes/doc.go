// Package probes holds the checks about probes that fail: containers that the kubelet
// kills because of one, containers that run and get no traffic, and pods that wait for a
// readiness gate.
//
// The present state decides. An Unhealthy event is written at each failed try, also while
// a program starts as it should; it only explains a container that is not ready now, or
// that keeps being killed. troubles (trouble.go) finds those, each container once; the
// checks sort them by what the kubelet says and by what the container and its log show.
package probes
