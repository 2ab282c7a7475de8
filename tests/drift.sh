#!/usr/bin/env bash
# Every option of --help stands in the manual page and in the completions, and they know no other.
set -uo pipefail

bad=0
help=$("${BUILD:-build}/alloctrace" --help | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' | sort -u)
page=$(sed 's/\\-/-/g; s/\\fB/ /g; s/\\fR/ /g' user/man/alloctrace.8 | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' | sort -u)
completion=$(grep -oE -- '(^|[ "'"'"'(])--?[a-zA-Z][a-z-]*' user/completions/alloctrace.bash | tr -d " \"'(" | sort -u)

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
