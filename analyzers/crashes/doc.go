// Package crashes holds the checks about processes that ran and ended when they should
// not have, and about init containers and sidecars that hold up their pod.
//
// Its heart is Decisive, which picks out of a log the line that tells why the process
// stopped: not the last one, which is often harmless, nor the first that says "error".
// verdict (crash.go) then gives each crashed container one code, so that no two checks
// report the same crash. What a probe killed belongs to package probes, what never
// started to package containers.
//
// CPU throttling is not decided here: throttled periods are only in the metrics of the
// kubelet (container_cpu_cfs_throttled_periods_total), which a Snapshot does not hold.
package crashes
