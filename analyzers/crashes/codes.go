package crashes

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	oomKilled        = cause("pod-oomkilled-limit", "Container is killed for the memory that it takes")
	killed           = cause("exit-137-not-oom", "Container is killed with SIGKILL, and not for its memory")
	exitsZero        = cause("crash-exits-zero", "Program ends without an error and is started again and again")
	execFormat       = cause("exec-format-error", "Program in the image cannot be run on the node")
	permissionDenied = cause("container-permission-denied", "Program may not read or write what it needs")
	portTaken        = cause("port-already-in-use", "Port that the program wants to listen on is taken")
	openFiles        = cause("too-many-open-files", "Limit on open files, watches or processes is reached")
	segfault         = cause("crash-segfault", "Native code crashes")
	appError         = repeated(cause("crash-app-error", "Program ends with an error"))
	initFailing      = cause("init-container-failing", "Init container fails")
	sidecarBlocks    = cause("sidecar-blocks-job-completion", "Sidecar keeps a finished Job from completing")

	// What they wait for is to be mended, where it can be seen.
	dependencyDown = analyzers.Code{ID: "crash-dependency-unavailable", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Program ends because it cannot reach what it depends on"}
	initStuck      = analyzers.Code{ID: "init-container-stuck", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Init container does not come to an end"}
)

// repeated marks a code that only repeats what the program said of itself.
func repeated(c analyzers.Code) analyzers.Code {
	c.Vague = true
	return c
}
