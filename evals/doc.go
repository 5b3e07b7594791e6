// Package evals is the project's exam: recorded clusters in which a real fault
// happened, what a good diagnosis of each says, and the score of Fathom's answers.
//
// A scenario is a folder below scenarios; its file cluster.capture is what
// `fathom capture` wrote while the fault stood. Everything runs without a cluster.
package evals
