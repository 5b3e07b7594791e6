// Package config judges what a container is started with: ConfigMaps and Secrets that
// its environment and volumes take, the user, the command, mounts and hooks. It reads the
// objects first: a pod that needs what does not exist is broken even when no event is
// left. Containers that cannot be created or started (cluster.StartFault) get one code
// each.
package config
