package indicator

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"vedette"
	"vedette/link"
)

// item is one value as a reader found it.
type item struct {
	where    string // "line 12", "object indicator--…"
	kind     string // the source's own word for it; "" where it gives none
	value    string
	original string
	ref      string
	note     string
	operator string
	port     string // a port that the source joins to the host
	scope    Scope  // when the source's syntax says it

	confidence Confidence
	tlp        TLP
	from       time.Time
	until      time.Time
	published  time.Time

	observe   bool   // the source says that it is not for detection
	withdrawn bool   // the source took it back
	refuse    string // the reader's reason
	keep      string // the reader knows that it is not about links: of this type
}

// linkKinds are the words that sources use for what is about links; the value itself then says which of them it is.
var linkKinds = map[string]Scope{
	"domain": ScopeDomain, "domain_name": ScopeDomain, "domain-name": ScopeDomain, "domain name": ScopeDomain, "domains": ScopeDomain, "fqdn": ScopeDomain,
	"hostname": ScopeHost, "host": ScopeHost, "hosts": ScopeHost, "c2": ScopeDomain, "c&c": ScopeDomain,
	"ip": ScopeHost, "ips": ScopeHost, "ip_address": ScopeHost, "ip-address": ScopeHost, "ipaddress": ScopeHost, "ip address": ScopeHost,
	"ipv4": ScopeHost, "ipv6": ScopeHost, "ipv4-addr": ScopeHost, "ipv6-addr": ScopeHost, "ip-src": ScopeHost, "ip-dst": ScopeHost,
	"url": ScopeURL, "urls": ScopeURL, "uri": ScopeURL,
}

// notLinks folds the words that sources use for what is not about links into few types, by which it is counted.
var notLinks = map[string]string{
	"md5": "hash", "sha1": "hash", "sha-1": "hash", "sha224": "hash", "sha256": "hash", "sha-256": "hash", "sha384": "hash", "sha512": "hash", "sha-512": "hash",
	"ssdeep": "hash", "imphash": "hash", "tlsh": "hash", "authentihash": "hash", "pehash": "hash", "hash": "hash", "filehash": "hash", "samples": "hash",
	"email": "email", "emails": "email", "email-src": "email", "email-dst": "email", "email_address": "email", "email-addr": "email", "email-subject": "email",
	"filename": "file", "file": "file", "file_path": "file", "filepath": "file", "path": "path", "malware-sample": "file", "attachment": "file",
	"process": "process", "process-name": "process", "mutex": "process", "named pipe": "process", "windows-service-name": "process",
	"regkey": "registry", "regkey|value": "registry", "yara": "rule", "snort": "rule", "sigma": "rule", "pattern-in-file": "rule",
	"link": "reference", "reference": "reference", "text": "text", "comment": "text", "other": "text",
	"whois-registrant-email": "registration", "whois-registrant-name": "registration", "whois-registrant-phone": "registration",
	"whois-registrant-org": "registration", "whois-registrar": "registration", "whois-creation-date": "registration",
}

func keptType(kind string) string {
	if t, ok := notLinks[kind]; ok {
		return t
	}
	return kind
}

// verdictOn is what classify found a value to be: exactly one of them.
type found struct {
	in     Indicator  // when it is about links: Value, Scope
	narrow *Indicator // what the value itself says, where a person asked for more; the guard may fall back to it
	kept   string     // type
	reason string     // refused
}

func refused(format string, a ...any) found { return found{reason: fmt.Sprintf(format, a...)} }

// classify decides what a value is about. want is the scope that a person asked for, or none.
func classify(it *item, want Scope) found {
	switch {
	case it.refuse != "":
		return found{reason: it.refuse}
	case it.keep != "":
		return found{kept: it.keep}
	}
	value := strings.TrimSpace(it.value)
	if value == "" {
		return refused("the value is empty")
	}
	scope, isLink := linkKinds[it.kind]
	if it.kind != "" && !isLink {
		return found{kept: keptType(it.kind)}
	}
	if len(value) > maxValue {
		return refused("a value of %d bytes: at most %d", len(value), maxValue)
	}
	if plainHost(value) && it.port == "" && (isLink && scope != ScopeURL || !isLink && !fileName(value)) { // the fast way for long lists
		return hostFound(value, "", scope, it.scope, want)
	}
	value = link.Refang(value)
	if !isLink {
		if kept, reason := sniff(value); kept != "" || reason != "" {
			return found{kept: kept, reason: reason}
		}
	}
	if strings.ContainsAny(value, " \t\r\n") {
		return refused("white space inside %q", clip(value))
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		if !p.IsSingleIP() {
			return found{kept: "address range"}
		}
		value = p.Addr().String()
	}
	scheme := ""
	if i := strings.Index(value, "://"); i > 0 {
		scheme = strings.ToLower(value[:i])
		if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
			scheme = ""
		}
	}
	if scheme == "" {
		if rest, ok := strings.CutPrefix(value, "//"); ok {
			value = rest
		}
	}
	switch scheme {
	case "", "http", "https", "ftp", "ws", "wss":
	default:
		return refused("scheme %s is not one that a link opens", clip(scheme))
	}
	bare := value
	if scheme != "" {
		bare = value[len(scheme)+3:]
	}
	end := strings.IndexAny(bare, "/?#")
	if end < 0 {
		end = len(bare)
	}
	path := bare[end:]
	if scheme == "" && path == "" && (!isLink || scope != ScopeURL) {
		explicit := it.scope
		if rest, ok := strings.CutPrefix(bare, "*."); ok {
			bare, explicit = rest, ScopeDomain
		} else if rest, ok := strings.CutPrefix(bare, "."); ok {
			bare, explicit = rest, ScopeDomain
		}
		host, port, err := hostPort(bare)
		if err != nil {
			return refused("%s", reasonOf(err, bare))
		}
		if it.port != "" && port == "" && it.port != "80" && it.port != "443" {
			port = it.port
		}
		return hostFound(host, port, scope, explicit, want)
	}
	// A URL. In a list without types, one that ends with its host names the host, and one that ends with a slash all below it; a source
	// that calls it a URL means just that one.
	in := Indicator{Value: value, Scope: ScopeURL}
	switch {
	case it.scope == ScopePath:
		in.Scope = ScopePath
	case !isLink && path == "":
		in.Scope = ScopeHost
		in.Value = bare
	case !isLink && len(path) > 1 && strings.HasSuffix(path, "/") && !strings.ContainsAny(path, "?#"):
		in.Scope = ScopePath
	}
	if bare == path {
		return refused("%q has no host", clip(value))
	}
	canonical, err := Canonical(in.Value, in.Scope)
	if err != nil {
		return refused("%s", reasonOf(err, value))
	}
	in.Value = canonical
	return wanted(in, want)
}

func hostFound(host, port string, scope, explicit, want Scope) found {
	in := Indicator{Value: host, Scope: ScopeHost}
	_, isAddress := address(host)
	switch {
	case isAddress:
		if port != "" {
			in.Value = host + ":" + port
		}
		return found{in: in} // an address has nothing below it: wider wishes mean the same
	case port != "":
		in.Value = stripWWW(host) + ":" + port
		return found{in: in}
	case explicit == ScopeDomain && scope != ScopeHost:
		in.Scope = ScopeDomain
	case explicit == ScopeNone && scope != ScopeHost && link.Registrable(host) == host:
		in.Scope = ScopeDomain // the source names what was registered: whoever holds it holds all below it
	default:
		in.Value = stripWWW(host)
	}
	return wanted(in, want)
}

// wanted follows a person's wish for a scope; what the value itself says stays as what the guard may fall back to.
func wanted(in Indicator, want Scope) found {
	if want == ScopeNone || want == in.Scope {
		return found{in: in}
	}
	wide := in
	wide.Scope = want
	if want == ScopeHost || want == ScopeDomain {
		wide.Value = hostOf(in.Value)
		if want == ScopeHost {
			wide.Value = stripWWW(wide.Value)
		}
	}
	canonical, err := Canonical(wide.Value, want)
	if err != nil {
		return found{in: in} // the value does not have that much to say: a host has no path
	}
	wide.Value = canonical
	if in.Scope < want {
		return found{in: wide, narrow: &in}
	}
	return found{in: wide}
}

// reasonOf cuts an error down to what a person must know about a value.
func reasonOf(err error, value string) string {
	s := strings.TrimPrefix(err.Error(), "indicator: ")
	for _, kind := range []error{vedette.ErrInvalid, vedette.ErrTooLarge} {
		if errors.Is(err, kind) {
			s = strings.TrimSuffix(s, ": "+kind.Error())
		}
	}
	if !strings.Contains(s, value) {
		s = fmt.Sprintf("%q: %s", clip(value), s)
	}
	return s
}

// sniff tells what an untyped value is when it is not about links, or why it can be nothing at all.
func sniff(v string) (kept, reason string) {
	lower := strings.ToLower(v)
	switch n := len(v); {
	case (n == 32 || n == 40 || n == 56 || n == 64 || n == 96 || n == 128) && strings.Trim(lower, "0123456789abcdef") == "":
		return "hash", ""
	case n == 36 && strings.Count(v, "-") == 4 && strings.Trim(lower, "0123456789abcdef-") == "":
		return "identifier", ""
	case v[0] == '/' && !strings.HasPrefix(v, "//"), len(v) > 2 && v[1] == ':' && v[2] == '\\', strings.HasPrefix(v, "%") && strings.Contains(v, "\\"), strings.HasPrefix(v, "~/"):
		return "path", ""
	case strings.HasPrefix(lower, "hklm\\"), strings.HasPrefix(lower, "hkcu\\"), strings.HasPrefix(lower, "hkey_"):
		return "registry", ""
	case strings.Contains(v, "@") && !strings.Contains(v, "://") && !strings.ContainsAny(v, "/ \t"):
		return "email", ""
	case strings.ContainsAny(v, " \t"):
		return "", fmt.Sprintf("%q is text, neither a host nor a URL", clip(v))
	case !strings.ContainsAny(v, ".:/"):
		return "", fmt.Sprintf("%q is a single word, neither a host nor a URL", clip(v))
	}
	if !strings.ContainsAny(v, "/:") && fileName(v) {
		return "file", ""
	}
	return "", ""
}

// fileName tells whether a name ends like a file's and not like any top-level domain's.
func fileName(v string) bool {
	switch strings.ToLower(v[strings.LastIndexByte(v, '.')+1:]) {
	case "exe", "dll", "apk", "ipa", "doc", "docx", "docm", "xls", "xlsx", "ppt", "pptx", "pdf", "rtf", "js", "vbs", "bat", "ps1", "jar", "rar", "7z", "iso", "lnk",
		"scr", "dat", "bin", "txt", "php", "asp", "aspx", "jsp", "html", "htm", "jpg", "png", "gif", "dmg", "elf", "tmp", "plist", "sqlite", "db":
		return true
	}
	return false
}
