// Package kube reads a live cluster into a cluster.Snapshot.
//
// It lists every kind of cluster.Kinds once, page by page and in parallel, reads the
// logs of the containers that fail, and records for each kind how much could be read
// and why not more. It only ever sends GET requests, never asks for the data of a
// Secret, and needs no discovery, so that a dead aggregated API cannot stop it.
//
// Nothing here judges: what is wrong with a cluster is for the analyzers to say.
package kube
