// Package storage holds the checks about volumes: claims that get none, volumes that
// cannot be attached, mounted, resized or deleted, and disks that are full.
//
// A claim that waits is told from one that cannot be bound by the objects: the claim, its
// class, the volumes, the pods that use it. Why a volume is not mounted only the events of
// a pod that still waits can say; each complaint is read once (complaint.go) and belongs
// to exactly one check (manner), so that no two report the same.
//
// The subject is the claim, where there is one: its pods are found to follow from it along
// the graph. What pods wait for a claim is the scheduling area's to say.
package storage
