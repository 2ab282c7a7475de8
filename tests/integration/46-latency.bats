#!/usr/bin/env bats
# latency: every call in a histogram, exactly once; what the probes cost taken out, or not claimed. Truth is the
# workload's own: how many calls, of which size, at which line, and how long, by the processor's counter.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers
bats_require_minimum_version 1.5.0

ROUNDS=${ROUNDS:-40}
COUNT=${PAIRS:-10000}

# --function for all of known.c.
KNOWN=()
for known in 0 25 50 100 200 1000 10000 100_jcc 100_jmp 100_nop 100_call 100_stepped; do
	KNOWN+=(--function "known_$known(size=arg1,ret=ptr)")
done

# Whoever is not looked at lets the calls inside of it be seen: all that threads.c calls.
ALL=malloc,calloc,realloc,reallocarray,free,posix_memalign,aligned_alloc,memalign,valloc,pvalloc

need() { [ -x "$WORKLOADS/$1" ] || skip "$1 is not built"; }

# measure_held WORKLOAD… -- ARG…: latency under -p, from "ready" to the end of the workload.
measure_held() {
	trace_released 'latency -f json' "$@"
	wait_for is_gone_or_idle
	stop_tracer
	[ "$status" -eq 0 ] || { { echo "exit code $status"; cat "$SAID"; tail -n 1 "$TRACE"; } >&2; return 1; }
	[ "$(jq -r .type "$TRACE" | tail -n 1)" = summary ]
}

# Some workloads end, others tell their truth and stay.
is_gone_or_idle() { is_gone "$held" || grep -q '^truth calls=' "$SELF"; }

# rows FILTER: of the histograms of the final report, one line each.
rows() { jq -r "select(.type == \"histogram\" and .final) | $1" "$TRACE"; }

# All that were timed: the ones that something came between are kept apart.
timed='((.count // 0) + (.disturbed.count // 0))'

# histograms_are_sound: figures in order, buckets that add up to the count, each above the one before.
histograms_are_sound() {
	[ "$(jq -s '[.[] | select(.type == "histogram")] | length > 0 and all(
		if .measurable == false then has("p50") or has("mean") or has("buckets") or has("corrected") | not
		elif .count == 0 then true
		else ([.buckets[].count] | add) == .count and all(.buckets[]; .lo < .hi and .count > 0) and
			([.buckets[].lo] | . == sort) and
			.p50 <= .p90 and .p90 <= .p99 and .p99 <= .p999 and .p999 <= .max and .mean <= .max and
			(.corrected | . == null or (.p50 <= .p90 and .p90 <= .p99 and .p99 <= .p999 and .p50 >= 0)) and
			(.corrected == null or .corrected.p50 <= .p50)
		end)' "$TRACE")" = true ]
}

# calibration_is_sound CLASS…: these classes were measured, no other function's, and often enough while the run lasted.
calibration_is_sound() {
	jq -r 'select(.type == "calibration" and .hits > 0) | .class' "$TRACE" | sort -u >"$BATS_TEST_TMPDIR/told"
	printf '%s\n' "$@" | sort -u >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(jq -s 'map(select(.type == "calibration" and .hits > 0)) | all(.hits >= 2000 and
		.p5 > 0 and .p5 <= .p50 and .p50 <= .p95 and .p95 <= .p99)' "$TRACE")" = true ]
	# What is subtracted is the class's median, and what is not resolved its spread.
	[ "$(jq -s '(map(select(.type == "calibration") | {(.class): .}) | add) as $windows |
		map(select(.type == "histogram" and .final and .floor_ns != null and .class != "clock")) | length > 0 and
		all($windows[.class] as $w | (.cost_ns - $w.p50 | fabs) <= 1 and (.floor_ns - ($w.p95 - $w.p5) | fabs) <= 1)' \
		"$TRACE")" = true ]
}

# keeps_time: whether the functions of known.c took as long during the run as before; else nothing can be said of time.
keeps_time() {
	awk '$1 == "truth" || $1 == "meanwhile" { sub(/p50=/, "", $3); ns[$1, $2] = $3; names[$2] }
		END { for (n in names) {
			off = ns["meanwhile", n] - ns["truth", n]
			if (off < 0) off = -off
			if (off > 20 && off > ns["truth", n] / 20) exit 1
		} }' "$SELF"
}

@test "functions of known length: corrected, each is as long as it is" {
	need known
	measure_held "$WORKLOADS/known" --wait "$COUNT" -- "${KNOWN[@]}"
	histograms_are_sound
	calibration_is_sound push jcc jmp nop call clock
	# Each class of instruction under its own name.
	rows 'select(.call | test("_100_[cjn]")) | "\(.call) \(.class)"' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	printf '%s\n' 'known_100_call call' 'known_100_jcc jcc' 'known_100_jmp jmp' 'known_100_nop nop' \
		>"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	keeps_time || skip "the machine is too busy: the functions did not keep their own time"
	sed -n 's/^truth \(known_[^ ]*\) p50=\([0-9.]*\).*/\1 \2/p' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	rows 'select(.corrected) | "\(.call) \(.corrected.p50)"' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	LC_ALL=C join -a 1 "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told" | grep -v stepped >"$BATS_TEST_TMPDIR/both"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/both")" -eq 11 ]
	awk 'NF != 3 { print $1 ": not told" >"/dev/stderr"; bad = 1; next }
		{ off = $3 - $2; if (off < 0) off = -off }
		off > 150 && off > 0.15 * $2 { print $1 ": " $3 " ns, not " $2 >"/dev/stderr"; bad = 1 }
		END { exit bad }' "$BATS_TEST_TMPDIR/both"
}

@test "a function whose site is single-stepped: counted, and no latency" {
	need known
	[ "$("$ALLOCTRACE" sites -f json "$WORKLOADS/known" known_100_stepped | jq -r .run)" = single-stepped ]
	measure_held "$WORKLOADS/known" --wait 1000 -- --function 'known_100_stepped(size=arg1,ret=ptr)'
	histograms_are_sound
	[ "$(rows 'select(.call == "known_100_stepped") | "\(.measurable) \(.count) \(.p50) \(.corrected) \(.floor_ns)"')" = \
		"false 1000 null null null" ]
	start_held "$WORKLOADS/known" --wait 1000
	start_tracer latency --function 'known_100_stepped(size=arg1,ret=ptr)' -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	grep -Eq '^known_100_stepped: 1000 calls.*not measurable' "$TRACE"
	# No bar, no percentile of it.
	not awk '/^known_100_stepped:/ { on = 1; next } /^[a-z]/ { on = 0 } on && /p50|\.\. / { found = 1 }
		END { exit !found }' "$TRACE"
}

# counts_are_true: of each function of threads.c, histogram + disturbed + failed = its calls.
counts_are_true() {
	rows "\"\\(.call) \\($timed + (.failed // 0))\"" |
		awk '{ n[$1] += $2 } END { for (c in n) print c, n[c] }' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	sed -n 's/^truth \([a-z_]*\)\.count=/\1 /p' "$SELF" | {
		if [ "$(truth memalign_is_aligned_alloc "$SELF")" = 1 ]; then
			sed 's/\bmemalign\b/aligned_alloc/'
		else
			cat
		fi
	} | awk -v leave="$1" '$1 != leave { n[$1] += $2 } END { for (c in n) print c, n[c] }' | LC_ALL=C sort \
		>"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -ge 8 ]
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

# bats test_tags=kernel
@test "every call is in a histogram, disturbed, or failed: ten functions, four threads, a ring of 4096 bytes" {
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- --ring-size 4096 --strict
	histograms_are_sound
	counts_are_true free
	[ "$(summary .lost.total)" -eq 0 ]
	balanced
	# Without being asked for, free is counted and not timed.
	[ "$(summary .calls.free.count)" -eq "$(truth free.count "$SELF")" ]
}

# bats test_tags=kernel-too
@test "four threads as fast as they can: nothing is lost, with a ring of 4096 bytes" {
	measure_held "$WORKLOADS/burst" --wait "$COUNT" -- --ring-size 4096 --strict -e malloc,free
	histograms_are_sound
	[ "$(rows "\"\\(.call) \\($timed)\"" | LC_ALL=C sort | paste -sd ' ')" = "free $((4 * COUNT)) malloc $((4 * COUNT))" ]
	[ "$(summary '"\(.lost.total) \(.entered)"')" = "0 $((8 * COUNT))" ]
}

@test "-e free: free is timed; -e malloc: it is not there" {
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- -e $ALL
	histograms_are_sound
	counts_are_true none
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- -e free
	[ "$(rows .call)" = free ]
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- -e malloc
	[ "$(rows .call)" = malloc ]
	[ "$(summary '.calls.free.count // 0')" -eq 0 ]
}

@test "--by size: the calls of each size class" {
	measure_held "$WORKLOADS/burst" --wait "$COUNT" -- -e malloc --by size
	histograms_are_sound
	rows "\"\\(.size_min) \\(.size_max) \\($timed)\"" | sort -n >"$BATS_TEST_TMPDIR/told"
	# What burst.c asks for. A class ends at a power of two.
	awk -v count="$COUNT" 'BEGIN {
		for (i = 0; i < count; i++) {
			hi = 1
			while (hi < 16 + i % 512) hi *= 2
			n[hi] += 4
		}
		for (hi in n) print hi / 2 + 1, hi, n[hi]
	}' | sort -n >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "--by site: the calls of each line" {
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- -e $ALL --by site -N 1000
	histograms_are_sound
	rows "select(.call | test(\"^(malloc|calloc|free)$\")) | \"\\(.call) \\(.stack[0].file | split(\"/\") | last) \\(.stack[0].line) \\($timed + (.failed // 0))\"" |
		awk '{ n[$1 " " $2 " " $3] += $4 } END { for (k in n) print k, n[k] }' | LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	awk '$1 == "line" && $2 ~ /^(malloc|calloc|free)$/ { n[$2 " " $3 " " $4] += $5 }
		END { for (k in n) print k, n[k] }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "--by site -N: the rows that were asked for" {
	measure_held "$WORKLOADS/threads" --wait "$ROUNDS" -- --by site -N 3
	[ "$(rows .call | wc -l)" -eq 3 ]
	# The totals know them all.
	[ "$(summary .entered)" -eq "$(truth calls "$SELF")" ]
}

# bats test_tags=kernel-too
@test "calls that a wait came between are kept apart" {
	measure_held "$WORKLOADS/slow_lock" --wait 500 -- -e malloc
	histograms_are_sound
	[ "$(rows .disturbed.count)" -gt 0 ]
	[ "$(rows "$timed")" -ge "$(sed -n 's/^truth fight calls=//p' "$SELF")" ]
	[ "$(rows '.disturbed.p50 > .p50')" = true ]
}

# bats test_tags=kernel-too
@test "a pool's latency is corrected by what the clock costs" {
	start_held "$BUILD/pool-demo" --pattern queue --wait --messages 2000
	start_tracer latency -f json -e pool -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	histograms_are_sound
	[ "$(rows 'select(.call == "protocol:alloc") | "\(.class) \('"$timed"') \(.corrected.p50 < .p50)"')" = "clock 2000 true" ]
}

@test "-i: interim reports, and a final one that holds all" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/slow_lock" --wait 2500
	start_tracer latency -f json -i 1 -e malloc -p "$held"
	release_held
	wait_for grep -q '^truth fight' "$SELF"
	stop_tracer
	[ "$status" -eq 0 ]
	[ "$(jq -s '[.[] | select(.type == "histogram" and (.final | not))] | length' "$TRACE")" -ge 1 ]
	[ "$(rows .call)" = malloc ]
	# What is added up never becomes less.
	[ "$(jq -s '[.[] | select(.type == "histogram") | '"$timed"'] | . == sort' "$TRACE")" = true ]
}

@test "latency: refused options" {
	local words
	while read -r words; do
		echo "$words"
		# shellcheck disable=SC2086 # words
		run -2 "$ALLOCTRACE" $words -- touch "$BATS_TEST_TMPDIR/ran"
		[ "${#lines[@]}" -eq 1 ]
		[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	done <<-'END'
		latency --by nonsense
		latency --by
		latency --by size --why
		latency -N 0
		latency -N x
		latency --svg x.svg
		trace --by size
		trace --why
		compare --by site
		compare --why
		compare -f csv
	END
	not test -e x.svg
}
