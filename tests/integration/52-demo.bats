#!/usr/bin/env bats
# pool-demo by itself: what it says of itself is what other tests hold alloctrace to.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; status and output are bats'
load helpers

demo() { "$BUILD/pool-demo" "$@"; }

@test "the same messages, whatever the pattern, the rounds and the lane" {
	local pattern rounds threads sum
	for threads in 1 3; do
		sum=$(demo --messages 1001 --threads "$threads" --lane malloc | sed -n 's/^checksum malloc=//p')
		[ ${#sum} -eq 16 ]
		for pattern in queue batch pingpong; do
			for rounds in 1 7 1000; do
				demo --messages 1001 --threads "$threads" --pattern $pattern --rounds $rounds >"$TRACE"
				grep -qx "checksum pool=$sum malloc=$sum" "$TRACE"
				grep -qx 'truth pool:alloc count=1001 bytes=144144 failed=0' "$TRACE"
				grep -qx 'truth pool:free count=1001' "$TRACE"
				grep -qx 'truth malloc:message count=1001 bytes=144144' "$TRACE"
				grep -qx 'truth free:message count=1001' "$TRACE"
			done
		done
	done
}

@test "net: a line with both lanes and their ratio; none of one round, none where messages were dropped" {
	demo --pattern batch --messages 200000 >"$TRACE"
	grep -Eqx 'net pool=[0-9]+\.[0-9]{2} malloc=[0-9]+\.[0-9]{2} ns/op ratio=[0-9]+\.[0-9]{2}' "$TRACE"
	demo --pattern batch --messages 200000 --lane pool >"$TRACE"
	grep -Eqx 'net pool=[0-9]+\.[0-9]{2} ns/op' "$TRACE"
	demo --pattern queue --messages 200000 >"$TRACE"
	not grep -q '^net' "$TRACE"
	demo --pattern batch --messages 1000 --chunks 3 >"$TRACE" 2>"$SAID"
	not grep -q '^net' "$TRACE"
	grep -q 'the pool lane dropped' "$SAID"
}

@test "wrong options: one sentence, exit 2" {
	local wrong
	for wrong in '--pattern stack' '--rounds 0' '--rounds 1001' '--rounds x' '--bug none' '--bug' '--lane none' \
		'--bug leak' '--bug leak --lane malloc' '--time-malloc --pattern batch'; do
		# shellcheck disable=SC2086 # words
		run demo $wrong
		echo "$wrong: $status, $output"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == pool-demo:* ]]
	done
}

@test "--time-malloc: each malloc and free is a call of the pool 'malloc', at no other's line" {
	"$ALLOCTRACE" -q -f json --strict -e pool -o "$TRACE" -- "$BUILD/pool-demo" --pattern queue --messages 500 --time-malloc
	[ "$(summary '[.calls["malloc:alloc", "malloc:free", "protocol:alloc", "protocol:free"].count] | join(" ")')" = \
		"500 500 500 500" ]
	[ "$(summary '.pools[] | select(.name == "malloc") | .live.blocks')" -eq 0 ]
	[ "$(table 'select(.call | startswith("malloc:")) | "\(.call) \(.stack[0].function // "-")"' |
		grep -v 'create\|destroy\|unknown' | sort | paste -sd,)" = \
		'malloc:alloc told_take 500,malloc:free told_give 500' ]
	balanced
}

# at KEY: FILE:LINE of a bug's truth.
at() { sed -n "s/^bug .*\<$1=\([^ ]*\).*/\1/p" "$TRACE"; }

# stands KEY CALL: at that line of the source is such a call.
stands() {
	local place
	place=$(at "$1")
	[ "${place%:*}" = user/demo/bugs.c ]
	sed -n "${place##*:}p" user/demo/bugs.c | grep -q "AT(at, $2("
}

@test "--bug: says where the calls stand, and the messages are as ever" {
	local bug sum
	sum=$(demo --lane pool --messages 1000 | grep '^checksum')
	for bug in stride double-free foreign-free leak; do
		demo --lane pool --messages 1000 --bug $bug >"$TRACE" 2>"$SAID"
		[ ! -s "$SAID" ]
		[ "$(grep -c "^bug $bug " "$TRACE")" -eq 1 ]
		grep -qx "$sum" "$TRACE"
		[ -e user/demo/bugs.c ] || continue # a machine that has the programs only
		case $bug in
		stride) stands alloc pool_alloc ;;
		double-free) stands first pool_free; stands second pool_free; [ "$(at first)" != "$(at second)" ] ;;
		foreign-free) stands alloc pool_alloc; stands free pool_free ;;
		leak) stands alloc pool_alloc; [ "$(at count) $(at bytes)" = "3 432" ] ;;
		esac
	done
}

# The calls of a bug, by the line of their callers, as alloctrace saw them. Which of them are wrong is another's test.
@test "--bug: the calls that alloctrace sees stand at the lines that the demo names" {
	local bug place
	[ -e user/demo/bugs.c ] || skip "no sources here"
	for bug in stride=alloc:31 double-free=first:1 double-free=second:1 foreign-free=alloc:1 foreign-free=free:1 \
		leak=alloc:3; do
		"$ALLOCTRACE" -q -f json --strict -e pool -o "$BATS_TEST_TMPDIR/json" -- \
			"$BUILD/pool-demo" --lane pool --messages 10 --bug "${bug%%=*}" >"$TRACE"
		place=${bug#*=}
		[ "$(by_line bugs.c "$BATS_TEST_TMPDIR/json" |
			awk -v line="$(at "${place%:*}" | sed 's/.*://')" '$2 == line { print $3 }')" -eq "${place#*:}" ]
	done
}

@test "--bug: valgrind sees the chunks outside their region, and nothing else in any of them" {
	local bug
	command -v valgrind >/dev/null || skip "no valgrind"
	valgrind -q "$BUILD/pool-demo" --lane pool --messages 100 --bug stride >"$TRACE" 2>"$SAID"
	grep -q 'Invalid write' "$SAID"
	grep -q 'protocol_build' "$SAID"
	for bug in double-free foreign-free leak; do
		valgrind --leak-check=full --errors-for-leak-kinds=all --error-exitcode=9 -q "$BUILD/pool-demo" --lane pool \
			--messages 100 --bug $bug >"$TRACE"
	done
	valgrind --leak-check=full --errors-for-leak-kinds=all --error-exitcode=9 -q "$BUILD/pool-demo" --messages 1000 \
		--pattern batch >"$TRACE"
}
