// Package manifests reads YAML and JSON files into a cluster.Snapshot: manifests as they
// would be applied, or what `kubectl get -o yaml` wrote.
//
// The input is not trusted. Its size, nesting and aliases are bounded, symbolic links that
// lead out of a folder are not followed, and of a Secret only the names of its keys are
// kept. What a folder does not hold may exist all the same: no kind is ever recorded as
// completely read.
package manifests
