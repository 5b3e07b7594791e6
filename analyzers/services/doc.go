// Package services finds Services that lead nowhere: a selector that matches no pod,
// pods that are not ready, a port that nobody listens on, an external name or load
// balancer that cannot work.
//
// What a Service selects is worked out from the Service and the pods, as the EndpointSlice
// controller does it (k8s.io/endpointslice utils.go), and not read from EndpointSlices:
// so a corrected Service can be tried on a copy of the Snapshot.
//
// Not decidable from objects, events and logs, and so not reported: a node port that a
// firewall or a router closes (svc-nodeport-unreachable: the Service looks the same), a
// cloud load balancer's own health checks where it writes nothing into the cluster
// (svc-lb-unhealthy-backends is reported only from pod readiness gates), and traffic that
// sticks to one pod (svc-session-or-lb-imbalance: only metrics of the traffic tell). A
// node port or cluster IP that is refused at creation leaves no object.
package services
