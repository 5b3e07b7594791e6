// Package gateway finds Gateways that nobody serves and routes that lead nowhere, by the
// Gateway API's objects and by what controllers write into their status.
//
// A controller writes which generation of an object it has judged: a condition about an
// older one says nothing of the present object, and is not reported. What the objects
// themselves show, such as a Service that does not exist, is reported whether or not a
// controller has said so.
//
// Not decidable, and so not reported: a Gateway whose address does not lead to it from
// where users are, and a listener that no route is attached to, which may be meant so.
package gateway
