# Shared by the suites on what is refused: attempts, and what must be true after one.
# shellcheck shell=bash disable=SC2034,SC2154 # what the suites use; held is start_held's

NO_PID=4194305 # beyond the largest PID that Linux hands out

# attempt ARG…: alloctrace to its end. $status is its exit code; output in $TRACE, words in $SAID.
attempt() {
	status=0
	ALLOCTRACE_ATTEMPT=$BATS_TEST_TMPDIR timeout -k 5 "$PATIENCE" "$ALLOCTRACE" "$@" \
		>"$TRACE" 2>"$SAID" </dev/null 3>&- 7>&- || status=$?
}

# The sentences that matter.
spoken() { grep -v -e '^alloctrace: hint: ' -e '^alloctrace: ready: ' "$SAID"; }

# A process that an attempt left behind: neither alloctrace itself nor a command that it started.
left_behind() { grep -slz "^ALLOCTRACE_ATTEMPT=$BATS_TEST_TMPDIR\$" /proc/[0-9]*/environ; }

# refused CODE REGEX: one sentence that matches, and the exit code.
refused() {
	if [ "$status" -eq "$1" ] && [ "$(spoken | wc -l)" -eq 1 ] && spoken | grep -Eq -- "^alloctrace: .*($2)" &&
		[ "$(grep -c 'hint: ' "$SAID")" -le 1 ] && ! LC_ALL=C grep -q $'[\001-\010\013-\037\177]' "$SAID"; then
		return 0
	fi
	{
		echo "exit code $status, not $1, or not one sentence like /$2/:"
		cat -v "$SAID"
	} >&2
	return 1
}

# refused_early CODE REGEX: and nothing was printed, and nobody was told that it is ready.
refused_early() { refused "$@" && [ ! -s "$TRACE" ] && ! grep -q 'ready:' "$SAID"; }

# wrong_line REGEX ARG…: the command line is wrong. A harmless command stands behind it in case it is not.
wrong_line() {
	local regex=$1
	shift
	attempt "$@" -- touch "$BATS_TEST_TMPDIR/ran"
	refused_early 2 "$regex"
	did_not_run
}

did_not_run() { [ ! -e "$BATS_TEST_TMPDIR/ran" ]; }

start_target() { start_held "$WORKLOADS/victim" --until-eof; }

# The target has run on, finishes, and its heap is right.
target_unharmed() {
	kill -0 "$held"
	release_held
	wait "$held"
	[ "$(truth wrong "$BATS_TEST_TMPDIR/held.out")" = 0 ]
	[ "$(truth bytes-intact "$BATS_TEST_TMPDIR/held.out")" = 1 ]
}

# A copy of alloctrace that everyone may run, in a folder that everyone may enter.
public_copy() {
	public=$(mktemp -d /tmp/alloctrace-public.XXXXXX)
	chmod 755 "$public"
	install -m 755 "$ALLOCTRACE" "$public/alloctrace"
}

teardown() {
	end_started
	[ -z "${stray:-}" ] || kill -KILL "$stray" 2>/dev/null || true
	[ -z "${public:-}" ] || rm -r "$public"
	not left_behind
}
