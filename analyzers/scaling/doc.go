// Package scaling finds autoscaling that does not work: a metrics API that is missing or
// down, HorizontalPodAutoscalers that cannot measure, that reach their limit, flap or
// fight another scaler, targets that do not exist or cannot be scaled, vertical
// autoscalers whose advice is not applied, and pending pods for which the cluster
// autoscaler or Karpenter adds no node.
//
// An autoscaler's conditions are written anew every 15 seconds (k8s.io/kubernetes
// cmd/kube-controller-manager/app/options/hpacontroller.go), so what they say is so now; events
// only add the words where a condition has none.
//
// Not decidable from a Snapshot, and so not reported: a metric whose value is wrong, a
// tolerance or an averaging that keeps the number of replicas, and a target value that
// does not suit the load. A GitOps tool that resets the replicas is reported only where
// events show it, as managed fields are not kept.
package scaling
