// Package manifests reads a Snapshot from YAML and JSON: a file, a folder, or what
// `kubectl get -o yaml` printed.
//
// Such input is a partial view. A kind that it holds is recorded as partial and one that
// it does not as not collected, so that nothing is called missing because it was not
// written down. Input is not trusted: sizes are bounded, symbolic links are not followed
// out of the folder, and of Secrets only the names of keys are kept.
package manifests
