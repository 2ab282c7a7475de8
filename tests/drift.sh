#!/usr/bin/env bash
# Every option of --help stands in the manual page and in the completions, and they know no other.
set -uo pipefail

bad=0
# The options among the words of standard input.
options() { grep -oE -- '(^|[^a-zA-Z0-9-])--?[a-zA-Z][a-z-]*' | grep -oE -- '--?[a-zA-Z][a-z-]*$' | sort -u; }

help=$("${BUILD:-build}/alloctrace" --help | options)
page=$(sed -n '/^\.SH OPTIONS/,/^\.SH SIGNALS/p' user/man/alloctrace.8 | sed 's/\\-/-/g; s/\\f[BIR]/ /g' | options)
completion=$(sed -n "s/.*-W '--pid/--pid/; /^\t\*)/,/;;/p" user/completions/alloctrace.bash | grep -v "'trace latency compare leaks" |
	sed "s/mapfile -t.*compgen -W '//; s/' -- .*//" | options)

# differ NAME WORDS: against the help.
differ() {
	local missing extra
	missing=$(comm -23 <(echo "$help") <(echo "$2") | tr '\n' ' ')
	extra=$(comm -13 <(echo "$help") <(echo "$2") | tr '\n' ' ')
	[ -z "$missing" ] || { echo "drift: $1 lacks: $missing" >&2; bad=1; }
	[ -z "$extra" ] || { echo "drift: $1 knows what --help does not: $extra" >&2; bad=1; }
}

differ 'the manual page' "$page"
differ 'the completion' "$completion"
exit "$bad"
