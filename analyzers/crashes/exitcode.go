package crashes

// exitCodes are what shells, runtimes and the kernel mean by a code.
var exitCodes = map[int32]string{
	1:   "an error",
	2:   "wrong usage, or an uncaught panic",
	3:   "an error of the program's own",
	64:  "wrong usage", // sysexits.h
	65:  "wrong input data",
	66:  "no input file",
	69:  "a service is unavailable",
	70:  "an internal error",
	71:  "an operating system error",
	73:  "cannot create a file",
	74:  "an I/O error",
	77:  "permission denied",
	78:  "wrong configuration",
	125: "the container runtime failed",
	126: "the command is not executable",
	127: "the command was not found",
	128: "the process could not be started",
	255: "an exit status out of range, such as -1",
}

// signals of Linux on all of its common architectures.
var signals = map[int32]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}

// signalOf is the name of the signal that a code stands for: 128 and its number.
func signalOf(code int32) string { return signals[code-128] }
