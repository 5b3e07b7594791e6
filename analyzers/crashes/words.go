package crashes

import (
	"regexp"
	"strings"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// decoys are words for an absence of errors. They are taken out before a line is judged.
var decoys = regexp.MustCompile(`(?i)\b(?:no|0|zero|without|any)\s+(?:\w+\s+)?(?:errors?|failures?|failed|exceptions?|warnings?|panics?)\b` +
	`|\b(?:last_?|num_?|total_?|after )?(?:errors?|err|error_?count|failed|failures?|exceptions?|fatal|panics?|warnings?)(?:_count|_total)?["']?\s*[=:]\s*["']?(?:0\b|none\b|null\b|nil\b|false\b|<nil>|""|\[\]|ok\b)["']?` +
	`|\b(?:on[_-]?error|error[_-]log|log[_-]level|loglevel|fail[_-]fast|error[_-]?page|exit-on-error|stderr)\b["']?\s*[=:]?\s*\S*`)

// plain is a message in lower case without what only looks like an error.
func plain(message string) string {
	// The expression is dear, and most lines hold none of its words.
	if lower := strings.ToLower(message); !has(lower, "err", "fail", "exception", "fatal", "panic", "warning", "level") {
		return lower
	}
	return strings.ToLower(decoys.ReplaceAllString(message, " "))
}

func has(text string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

var (
	// settingMissing are the words of envconfig, caarlos0/env, viper, pydantic, zod, Spring,
	// Ruby, Elixir and shells for a setting that is not there.
	settingMissing = regexp.MustCompile(`(?:environment|env|config\w*|required|mandatory|setting|option|key|variable|parameter|property|argument|secret|token|password|string)\b.{0,80}(?:\bis not set|\bnot set\b|\bis missing|\bmissing\b|\bis required|\bmust be (?:set|specified|provided|defined)|\bhas no value|\bnot (?:provided|specified|defined|configured|found in environment)|\bis (?:empty|undefined|unset)|should not be empty|cannot be (?:empty|null|blank))` +
		`|missing (?:required |mandatory )*(?:environment|env\b|config|setting|key|variable|parameter|property|option|argument|credentials)` +
		`|required key .* missing value|parameter not set|parameter null or not set|unbound variable|could not resolve placeholder|keyerror: '[a-z0-9_]+'|key not found: "|\bfield required\b|is not specified\b|you must specify|you need to specify|must be supplied|no .{0,40}(?:configured|configuration provided)`)
	// variableMissing is a sentence about a name in the case of environment variables.
	variableMissing = regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b[^A-Za-z]{0,3}(?:must be (?:set|provided|defined)|(?:is |was )?(?:not set|not defined|required|missing|undefined|unset|empty|not provided))|(?:missing|set|provide|specify|define|require[ds]?)(?: \w+){0,3}:? [^A-Za-z]?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`)
	// settingHints are in every message that the two expressions above match.
	settingHints = []string{"not set", "missing", "required", "must be", "must specify", "must be supplied", "no value", "not provided", "specified", "defined", "configur", "need to specify", "empty", "blank", "null", "unset", "unbound", "placeholder", "keyerror", "key not found", "not found in env", "supplied", "provide", "set ", "specify"}
	fileMissing  = regexp.MustCompile(`no such file or directory|enoent|filenotfound|file not found|cannot find the (?:file|path)|does not exist.*\.(?:ya?ml|json|toml|conf|ini|properties|env)\b|can't open '|unable to access jarfile`)
	// deniedByPeer is an access that a server refused, not the operating system: a
	// database role, an API's authorization, a cloud's policy.
	deniedByPeer = regexp.MustCompile(`permission denied (?:for|to) |code = permissiondenied|permission_denied|publickey|access denied for user|forbidden|unauthorized|\b403\b|\b401\b|accessdenied(?:exception)?: (?:user|access)|row-level security`)
	denied       = regexp.MustCompile(`permission denied|\beacces\b|\beperm\b|operation not permitted|read-only file ?system|\berofs\b|accessdeniedexception|access to the path .* is denied|errno::eacces|has wrong ownership|has invalid permissions|\(access denied\)`)
)

// kindOf sorts a message by what it speaks of; Error when it is nothing known.
func kindOf(message string) Kind {
	text := plain(message)
	_, outage := cluster.OutageIn(text)
	switch {
	case has(text, "exec format error"):
		return KindExecFormat
	case has(text, "address already in use", "eaddrinuse", "was already in use", "is already in use", "only one usage of each socket address", "address in use", "port is already allocated") &&
		has(text, "port", "bind", "listen", "address", "socket"):
		return KindPort
	case has(text, "too many open files", "emfile", "enfile:", "number of file watchers reached", "inotify instances", "inotify watches", "unable to create native thread", "can't start new thread", "cannot fork", "pthread_create failed", "failed to create new os thread") ||
		has(text, "inotify") && has(text, "no space left on device") ||
		has(text, "resource temporarily unavailable") && has(text, "fork", "thread", "clone"):
		return KindOpenFiles
	case has(text, "denied", "eacces", "eperm", "not permitted", "read-only", "erofs", "ownership", "permissions") && denied.MatchString(text) && !deniedByPeer.MatchString(text):
		return KindPermission
	case has(text, "outofmemoryerror", "heap out of memory", "out of memory", "cannot allocate memory", "std::bad_alloc", "memoryerror", "enomem", "memory exhausted", "allowed memory size"):
		return KindMemory
	case outage && !has(text, "context canceled"):
		return KindDependency
	case has(text, settingHints...) && (settingMissing.MatchString(text) || variableMissing.MatchString(message)), fileMissing.MatchString(text) && !has(text, "exec:", "sock"):
		return KindMissingConfig
	}
	return KindError
}

// deadlyWords are said when a program ends, whatever its logger: of runtimes, servers and
// entry points.
func deadlyWords(text string) bool {
	return has(text, "exec format error", "[emerg]", "javascript heap out of memory", "outofmemoryerror", "uncaught exception", "unhandled exception", "unhandledpromiserejection",
		"segmentation fault", "aborting due to", "terminating due to uncaught", "*** fatal config file error", "fatal error:", "fatal python error", "php fatal error", "bootstrap check failure") ||
		strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal: ") || strings.HasPrefix(text, "fatal error") || strings.HasPrefix(text, "** (")
}

// beginnings of a sentence that tells of an error, for lines without a level.
var errorStart = regexp.MustCompile(`^(?:[\w./ -]{1,40}: )*(?:\w*error\b|uncaught|failed|failure|fatal|cannot|can't|could not|couldn't|unable to|invalid|unknown (?:flag|option|command|argument|shorthand)|unrecognized|unexpected|missing|illegal|bad |no such|exception|no module named|traceback|abort)` +
	`|\berror:|\berror \d+|exception: |failed: |failed with|: command not found|: not found$|: not found\b|flag provided but not defined|: invalid|: unknown|: unrecognized|: bad |can't locate|could not be found|is not a directory|is not executable|not a valid|doesn't exist|does not exist|double free|corrupted|stack smashing|assertion .*failed|core dumped`)

func saysError(text string) bool { return errorStart.MatchString(strings.TrimSpace(text)) }

// panicked reports whether a line tells of a panic that was recovered and logged.
func panicked(e entry) bool {
	return e.fields["panic"] != "" || strings.Contains(strings.ToLower(e.message), "panic")
}

// vagueWords say that something failed and not what; the reason stands in a line before.
var vagueWords = regexp.MustCompile(`^(?:(?:fatal|error|critical|err)\b[: ]*)*(?:the |an? )?(?:(?:application|app|server|service|migrations?|startup|start-up|start|bootstrap\w*|initiali[sz]ation|init|process|main|worker|container|command|script|program|program will|daemon|node|unexpected|fatal|setup|job|task|run|boot|database migrations?|db migrations?|reason|backgroundservice|hosted service|application startup|web server|tomcat|master|system|bot|agent|controller|manager|problem|running|supervisor|entrypoint)[: ]+)*` +
	`(?:has |have |had |was |is |will )*(?:failed|failure|failing|error|errors|crash\w*|abort\w*|exit\w*|terminat\w*|stop\w*|quit\w*|die[sd]?|giving up|gave up|give up|shutting down|cannot start|can't start|could not start|couldn't start|unable to start|not started|an error occurred|unhandled exception|fatal exception has occurred|something went wrong|an unexpected error occurred|run failed|not (?:be )?(?:initialized|started))` +
	`(?: (?:to|during|on|while|with|in|at|the|an?|app|application|server|service|up|start\w*|boot\w*|run\w*|initiali\w*|startup|start-up|error|errors|due|process|main|worker|manager|executing|command|after|\d+|attempts?|retries|tries|times|code|status|exit|above|see|logs?|problem|unexpected|fatal|immediately|now|and|exiting|program will exit|please|migrations?|applying)\b[.:,!]*)*[ .:!()\d;,-]*$`)

// vaguePhrases are further ones that name a part of the program but no reason.
func vague(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || shutdownStart.MatchString(text) || has(text, "haltserver", "worker failed to boot", "could not create the java virtual machine", "a fatal exception has occurred", "still could not bind()",
		"application startup failed. exiting", "application startup failed", "error starting applicationcontext", "error creating bean", "see above", "see log", "check server logs", "check the logs", "unsatisfieddependencyexception", "beancreationexception",
		"application failed to start", "hosting failed to start", "backgroundservice failed", "application run failed", "exited with code", "exited with status", "[server] aborting", "data dictionary initialization failed") ||
		vagueWords.MatchString(text)
}

var (
	// noiseWords end nothing: what package managers, shells and shutdowns say after the
	// fact, and banners.
	noiseWords = regexp.MustCompile(`^(?:npm (?:err!|error|notice|warn|verb|info)\b|npm err!|error command failed with exit|\s*elifecycle|info visit https://yarnpkg|make(?:\[\d+\])?: \*\*\* |exit status \d+$|exit code:? \d+$|exited with (?:code|status) \d+$|process exited|signal: (?:killed|terminated)|node\.js v\d|goroutine \d+ \[|created by |\[signal sig|note: run with|stack backtrace:|note: some details are omitted|killed$|terminated$|command terminated|error: process completed with exit code|error: exit status|usage:|usage of |for more information try|try '|run '|see '|   *\d+: )`)
	noisePart  = []string{"http: server closed", "use of closed network connection", "context canceled", "operation was canceled", "terminating connection due to administrator command", "the database system is shutting down", "graceful shutdown", "received signal", "received sigterm", "kubeletnotready", "process finished", "exit status 1"}
)

// noise reports whether a message is said after the cause, or by everything.
func noise(message string) bool {
	text := strings.ToLower(message)
	// Of npm's lines these few are the cause.
	if strings.HasPrefix(text, "npm ") && has(text, "missing script", "enoent", "eacces", "could not read package.json", "ejsonparse") && !has(text, "code en", "code ea", "errno") {
		return false
	}
	if noiseWords.MatchString(text) {
		return true
	}
	for _, w := range noisePart {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// sideEffect reports whether only observability failed, which ends no program.
func sideEffect(text string) bool {
	return has(text, "traces export", "metrics export", "failed to export", "exporting failed", "failed to upload metrics", "flush skipped", "failed to send telemetry", "sentry", "statsd", "otlp", "opentelemetry") && !has(text, "panic")
}

var httpLine = regexp.MustCompile(`"?\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b .{0,200}(?:HTTP/\d|"? [1-5]\d\d\b)|\bHTTP/[\d.]+"? [1-5]\d\d\b`)

// accessLog reports whether a line tells of one request: a 500 there ends nothing.
func accessLog(e entry) bool {
	if e.fields["method"] != "" && (e.fields["path"] != "" || e.fields["url"] != "" || e.fields["uri"] != "" || e.fields["status"] != "") {
		return true
	}
	if e.fields["http.method"]+e.fields["request.method"]+e.fields["req.method"] != "" {
		return true
	}
	if !strings.Contains(e.text, " ") || !has(e.text, "HTTP/", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS") {
		return false
	}
	return httpLine.MatchString(e.text) && !has(strings.ToLower(e.text), "dial tcp", "econn", "refused")
}

var shutdownStart = regexp.MustCompile(`^\W*(?:shutting down|shutdown|stopping|terminating|exiting|draining)\b`)

var shutdownWords = regexp.MustCompile(`(?i)\b(?:shutting down|shut down|graceful(?:ly)? (?:shutdown|stop\w*)|draining|stopping|received (?:signal )?sig\w+|sigterm|signal terminated|bye|closing (?:server|connections|database))\b`)

func shuttingDown(e entry) bool {
	return e.level <= warning && shutdownWords.MatchString(e.message)
}
