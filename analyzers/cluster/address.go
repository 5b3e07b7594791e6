package cluster

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// An Address is what a program names when it connects to something. Port is 0 where the
// text names none.
type Address struct {
	Host string
	Port int
}

func (a Address) String() string {
	switch {
	case a.Port == 0:
		return a.Host
	case strings.Contains(a.Host, ":"):
		return "[" + a.Host + "]:" + strconv.Itoa(a.Port)
	}
	return a.Host + ":" + strconv.Itoa(a.Port)
}

// Local reports whether the address is the pod itself.
func (a Address) Local() bool {
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return a.Host == "localhost" || strings.HasSuffix(a.Host, ".localhost")
}

// An Outage says how a connection failed.
type Outage string

const (
	ConnRefused     Outage = "refused"     // something answers at the address, and nothing listens on the port
	ConnTimedOut    Outage = "timed out"   // nothing answers
	ConnUnreachable Outage = "unreachable" // no route
	NameUnknown     Outage = "unknown"     // the name cannot be resolved
	ConnClosed      Outage = "closed"      // the other side hung up
	ConnFailed      Outage = "failed"      // the text does not say how
)

// outages are the words of the common runtimes and client libraries, in lower case. The
// first that occurs decides: a look-up that timed out is about the name.
var outages = []struct {
	outage Outage
	words  []string
}{
	{NameUnknown, []string{
		"no such host", "server misbehaving", // Go: src/net/net.go, dnsclient_unix.go
		"enotfound", "eai_again", // Node
		"name or service not known", "temporary failure in name resolution", "no address associated with hostname", // glibc: sysdeps/posix/gai_strerror-strs.h
		"name does not resolve", "nodename nor servname", // musl, BSD
		"unknownhostexception", "could not translate host name", "could not resolve host", "unable to resolve host", "failed to resolve host",
		"couldn't resolve host", "couldn't resolve server", "cannot resolve host", "nslookup: can't resolve", "dns resolution failed", "failed to lookup address",
		"bad address '", "unknown mysql server host", "unknown server host", "host not found in upstream", "nxdomain", "servfail",
		"name resolution failed", "php_network_getaddresses", "getaddrinfo failed", "produced zero addresses",
		"hostname resolving error", "no such host is known",
	}},
	{ConnRefused, []string{
		"connection refused", "econnrefused", "actively refused", "connectionrefused", "refused. check that the hostname",
		"errno 111", "error 111", "os error 111", "couldn't connect to server", "connect call failed",
	}},
	{ConnUnreachable, []string{"no route to host", "ehostunreach", "network is unreachable", "enetunreach", "host is unreachable", "host unreachable"}},
	{ConnTimedOut, []string{
		"i/o timeout", "etimedout", "connection timed out", "connect timed out", "connection timeout", "connect timeout", "connecttimeout",
		"operation timed out", "deadline exceeded", "timed out", "timeout expired", "timeout occurred", "no response",
	}},
	{ConnClosed, []string{"connection reset by peer", "econnreset", "connection closed by", "server closed the connection"}},
	{ConnFailed, []string{
		"failed to connect to", "could not connect to", "cannot connect to", "can't connect to", "unable to connect to", "can't reach",
		"could not be established", "may not be available", "not possible to connect", "error connecting to", "error while dialing",
		"failed to establish a new connection", "connection attempt failed", "communications link failure", "connection failure",
	}},
}

// OutageIn returns how the connection failed that the text tells of.
func OutageIn(text string) (Outage, bool) {
	lower := strings.ToLower(text)
	for _, o := range outages {
		for _, w := range o.words {
			// "ModuleNotFoundError" holds "enotfound" and is none.
			if i := strings.Index(lower, w); i >= 0 && (i == 0 || lower[i-1] < 'a' || lower[i-1] > 'z') {
				return o.outage, true
			}
		}
	}
	return "", false
}

const (
	hostPart = `[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?`
	ipv6Part = `\[[0-9A-Fa-f:.]+\]`
	quote    = "[\"'`‘’]"
)

// addressForms are the ways in which clients write where they wanted to go, the most
// telling first: a name before the address that it resolved to. Group 1 is the host,
// group 2 the port, if any.
var addressForms = compile(
	`proxyconnect tcp: dial tcp (`+hostPart+`|`+ipv6Part+`):(\d+)`,
	`\blookup (`+hostPart+`)\.? on `,
	`\blookup (`+hostPart+`)\.?:`,
	`host=`+quote+`?(`+hostPart+`)`+quote+`?,? port=`+quote+`?(\d+)`,
	"`host=("+hostPart+`) `,
	`server at "(`+hostPart+`)"(?: \([^)]*\))?, port (\d+)`,
	`on host "(`+hostPart+`)"(?: \([^)]*\))? and accepting\s+TCP/IP connections on port (\d+)`,
	`(?:host name|host) "(`+hostPart+`)"(?: port (\d+))?`,
	`getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (`+hostPart+`)(?::(\d+))?`,
	`getaddrinfo for (`+hostPart+`) failed`,
	`\bE(?:CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH) (`+hostPart+`|`+ipv6Part+`|::1):(\d+)`,
	`connect\(2\) for `+quote+`?(`+hostPart+`)`+quote+`?(?: port |:)(\d+)`,
	`onnect(?:ion)? to (`+hostPart+`)(?: \([^)]*\))?,? port:? ?(\d+)`,
	`onnect(?:ion|ing)? to (?:server |host )?`+quote+`?(`+hostPart+`):(\d+)`,
	`MySQL server on '(`+hostPart+`)(?::(\d+))?'`,
	`[Ss]erver host '(`+hostPart+`)'`,
	quote+`(`+hostPart+`)`+quote+`:`+quote+`(\d+)`+quote,
	`UnknownHostException: (`+hostPart+`)`,
	`\bhost:? (`+hostPart+`)(?::(\d+))? ssl:`,
	`[Rr]esolve(?: server)?(?: host)?(?: address)?:? `+quote+`?(`+hostPart+`)(?::(\d+))?`+quote+`?`,
	`bad address '(`+hostPart+`)(?::(\d+))?'`,
	`can't find (`+hostPart+`)\.?:`,
	`upstream "(`+hostPart+`)(?::(\d+))?"`,
	`[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/@"']*@)?(`+hostPart+`|`+ipv6Part+`)(?::(\d+))?`,
	`\b(`+hostPart+`)/(?:\d+\.){3}\d+:(\d+)`,
	`\((`+hostPart+`)\.?(?:/[^():]*)?:(\d+)\)`,
	`Connect call failed \('(`+hostPart+`)', (\d+)`,
	`->(`+hostPart+`|`+ipv6Part+`):(\d+)`,
	`dial (?:tcp|udp)[46]? (`+hostPart+`|`+ipv6Part+`):(\d+)`,
	`remote host \((`+hostPart+`)\)`,
	`\bhost=`+quote+`?(`+hostPart+`)`,
	`(`+hostPart+`): (?:Name or service not known|Name does not resolve|Temporary failure in name resolution)`,
)

// anyAddress is host:port wherever it stands, when no known form fits.
var anyAddress = regexp.MustCompile(`(?:^|//|[^A-Za-z0-9_./:-])(` + hostPart + `|` + ipv6Part + `):(\d{2,5})(?:$|:(?:\s|$)|[^0-9:A-Za-z])`)

func compile(patterns ...string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		out[i] = regexp.MustCompile(p)
	}
	return out
}

// FailedConnection finds in a program's words a connection that failed: to where, and
// how. ok is false when the text tells of none or does not name the other side.
func FailedConnection(text string) (to Address, how Outage, ok bool) {
	how, ok = OutageIn(text)
	if !ok {
		return Address{}, "", false
	}
	to, ok = AddressIn(text)
	if ok && (how == ConnTimedOut || how == ConnRefused) && strings.Contains(text, "lookup "+to.Host) {
		how = NameUnknown // the name server did not answer
	}
	return to, how, ok
}

// AddressIn finds in a program's words the address that it connects to.
func AddressIn(text string) (Address, bool) {
	for _, form := range addressForms {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			port := ""
			if len(m) > 2 {
				port = m[2]
			}
			if a, ok := address(m[1], port); ok && !nameServer(text, a) {
				if a.Port == 0 {
					a.Port = portBeside(text, a.Host)
				}
				return a, true
			}
		}
	}
	if all := addressesIn(text); len(all) > 0 {
		return all[0], true
	}
	return Address{}, false
}

// addressesIn lists what looks like host:port, but for source lines, times of day, name
// servers and the near end of a connection ("read udp 10.0.0.1:41234->…").
func addressesIn(text string) []Address {
	var out []Address
	for _, m := range anyAddress.FindAllStringSubmatchIndex(text, -1) {
		host, port := text[m[2]:m[3]], text[m[4]:m[5]]
		if sourceLine(host) || strings.HasPrefix(text[m[5]:], "->") {
			continue
		}
		if a, ok := address(host, port); ok && !nameServer(text, a) {
			out = append(out, a)
		}
	}
	return out
}

// nameServer reports whether the text names a only as the server that was asked for
// another name: "lookup db on 10.0.0.10:53".
func nameServer(text string, a Address) bool {
	return a.Port == 53 && strings.Contains(text, "lookup ") && strings.Contains(text, " on ")
}

// sourceLine reports whether what looks like host:port is a file and a line number.
func sourceLine(host string) bool {
	i := strings.LastIndexByte(host, '.')
	if i < 0 {
		switch host {
		case "error", "errno", "code", "status", "line", "port", "pid", "exit", "level", "os":
			return true
		}
		return strings.Trim(host, "0123456789") == "" // a time of day
	}
	switch host[i+1:] {
	case "go", "js", "mjs", "cjs", "ts", "py", "rb", "java", "kt", "scala", "rs", "php", "cs", "c", "cc", "cpp", "h", "sh", "ex", "exs", "erl", "pl", "lua", "yaml", "yml", "json", "xml", "toml", "conf", "sql":
		return true
	}
	return false
}

// portBeside finds the port of a host whose form names none: the address that it was
// resolved to, or the same host once more.
func portBeside(text, host string) int {
	for _, a := range addressesIn(text) {
		if _, err := netip.ParseAddr(a.Host); err == nil || a.Host == host {
			return a.Port
		}
	}
	return 0
}

// notHosts are words that stand where the forms above expect a host.
var notHosts = map[string]bool{
	"getaddrinfo": true, "gaierror": true, "error": true, "errno": true, "user": true, "could": true, "the": true, "name": true,
	"tcp": true, "udp": true, "unix": true, "to": true, "on": true, "server": true, "host": true,
}

func address(host, port string) (Address, bool) {
	a := Address{Host: strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return Address{}, false
		}
		a.Port = n
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		if ip.IsUnspecified() {
			return Address{}, false // what a server listens on
		}
		a.Host = ip.Unmap().String()
		return a, true
	}
	if notHosts[a.Host] {
		return Address{}, false
	}
	letters := strings.IndexFunc(a.Host, func(r rune) bool { return r >= 'a' && r <= 'z' }) >= 0
	return a, letters && a.Host != "" && !strings.Contains(a.Host, "..")
}
