#!/usr/bin/env bats
# --sample-bytes: few allocations are events, and what they say about all is unbiased; the totals stay exact. Truth is
# the workload's own count of all its calls. A statistic may be off by five standard deviations of what was promised: by
# chance that happens once in a million times. TELL=1 tells how far each is off.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # columns of awk; every test is a subshell; held is the helpers'
load helpers
bats_require_minimum_version 1.5.0

# Of allocations, four threads together. The VM says how slow it is by PAIRS.
ALLOCATIONS=${ALLOCATIONS:-$((100 * ${PAIRS:-4200}))}
RATE=65536

# trace_sampled RATE MODE COUNT [ARG…]: the workload under -p, from "ready" to its end.
trace_sampled() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/sampled" --wait "$2" "$3"
	start_tracer -f json --sample-bytes "$1" -p "$held" "${@:4}"
	release_held
	wait_for is_gone "$held"
	end_tracer
	[ "$status" -eq 0 ]
	balanced
	[ "$(summary '"\(.sample_bytes) \(.in_flight) \(.events)"')" = "$1 0 $(grep -c '"type":"event"' "$TRACE")" ]
}

# "CALL COUNT BYTES FAILED" of every function; and all calls together.
totals_are_true() {
	awk '$1 == "call" && $3 { print $2, $3, $4, $5 }' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	summary '.calls | to_entries[] | "\(.key) \(.value.count) \(.value.bytes // 0) \(.value.failed // 0)"' |
		LC_ALL=C sort >"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	[ "$(summary .calls_counted)" -eq "$(truth calls "$SELF")" ]
}

# samples FILTER: a line for each allocation that was sampled and did not fail.
samples() {
	jq -r "select(.type == \"event\" and (.kind == \"alloc\" or .kind == \"realloc\") and (.failed | not)) | $1" "$TRACE"
}

# within_five_sigma: each line is "WHAT TRUE SIGMA TOLD"; fails, and says so, where a difference is beyond chance.
within_five_sigma() {
	awk '{
		off = $4 - $2
		far = (off < 0 ? -off : off) > 5 * $3 + 1e-6 * $2
		if (far || ENVIRON["TELL"]) printf "%s: %.1f is right, +- %.1f; told are %.1f\n", $1, $2, $3, $4 >"/dev/stderr"
		bad += far
	} END { exit !NR || bad > 0 }'
}

# expect COLUMN: of the lines "thread TID SIZE COUNT" of the truth, for all that agree in that column, the number of
# samples that is right, and its standard deviation; beside it what $BATS_TEST_TMPDIR/told ("KEY COUNT") says.
expect() {
	awk -v rate="$RATE" 'NR == FNR { told[$1] = $2; next }
		$1 == "thread" {
			p = 1 - exp(-$3 / rate)
			mean['"$1"'] += $4 * p
			variance['"$1"'] += $4 * p * (1 - p)
		}
		END { for (key in mean) print key, mean[key], sqrt(variance[key]), told[key] + 0 }' \
		"$BATS_TEST_TMPDIR/told" "$SELF"
}

# every_size_is_fair: of each size as many samples as there should be.
every_size_is_fair() {
	samples '.size' | count_lines >"$BATS_TEST_TMPDIR/told"
	# No size that was not asked for.
	awk 'NR == FNR { if ($1 == "thread") made[$3]; next } !($1 in made) { exit 1 }' "$SELF" "$BATS_TEST_TMPDIR/told"
	expect '$3' | within_five_sigma
}

every_thread_is_fair() {
	samples '.tid' | count_lines >"$BATS_TEST_TMPDIR/told"
	expect '$2' | within_five_sigma
}

# Each sample stands for its size divided by its probability, and all of them for all that was allocated.
weights_are_true() {
	samples '"\(.size) \(.weighted_bytes)"' >"$BATS_TEST_TMPDIR/weights"
	awk -v rate="$RATE" '{ want = $1 / (1 - exp(-$1 / rate)); off = $2 - want }
		off > 1 + want / 1000 || off < -1 - want / 1000 { print "weight of " $1 ": " $2 ", not " want; exit 1 }' \
		"$BATS_TEST_TMPDIR/weights"
	awk -v rate="$RATE" 'NR == FNR { told += $2; next }
		$1 == "thread" && $3 {
			rest = exp(-$3 / rate)
			bytes += $4 * $3
			variance += $4 * $3 ^ 2 * rest / (1 - rest)
		}
		END { printf "weighted_bytes %.0f %.3f %.0f\n", bytes, sqrt(variance), told }' \
		"$BATS_TEST_TMPDIR/weights" "$SELF" | within_five_sigma
}

# replay: what is live at the end if every event is taken at its word, as "ADDR SIZE LINE"; fails where one makes no
# sense. A realloc that stands for nothing ends a sample.
replay() {
	jq -r 'select(.type == "event" and (.failed | not)) |
		"\(.kind) \(.addr) \(.old_addr // "-") \(.size // 0) \(.stack[0].line) \(.weighted_bytes // 0)"' "$TRACE" |
		awk '$1 == "free" || $1 == "realloc" {
				old = $1 == "free" ? $2 : $3
				if ($1 == "free" && !(old in live)) { print "freed, not live: " $0 >"/dev/stderr"; bad = 1 }
				delete live[old]
			}
			$1 != "free" && $6 {
				if ($2 in live) { print "twice: " $0 >"/dev/stderr"; bad = 1 }
				live[$2] = $4 " " $5
			}
			END { for (addr in live) print addr, live[addr]; exit bad }' | LC_ALL=C sort
}

# Live are the leaks that were sampled, and only they; the large one is sampled for certain.
leaks_are_true() {
	set -o pipefail
	replay >"$BATS_TEST_TMPDIR/live"
	sed -n 's/^leak //p' "$SELF" | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 401 ]
	[ -z "$(LC_ALL=C comm -13 "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/live")" ]
	grep -q ' 10485760 ' "$BATS_TEST_TMPDIR/live"
	[ "$(summary '"\(.live.blocks) \(.live.bytes)"')" = \
		"$(awk '{ n++; bytes += $2 } END { print n + 0, bytes + 0 }' "$BATS_TEST_TMPDIR/live")" ]
	[ "$(summary '"\(.unmatched_frees) \(.superseded)"')" = "0 0" ]
}

# What they stand for: computed from what is live, and compared with what was leaked.
estimate_is_true() {
	awk -v rate="$RATE" '{ p = 1 - exp(-$2 / rate); n += 1 / p; bytes += $2 / p } END { printf "%.1f %.1f\n", n, bytes }' \
		"$BATS_TEST_TMPDIR/live" >"$BATS_TEST_TMPDIR/weighted"
	summary '"\(.live_estimated.blocks) \(.live_estimated.bytes)"' >"$BATS_TEST_TMPDIR/told"
	paste -d ' ' "$BATS_TEST_TMPDIR/weighted" "$BATS_TEST_TMPDIR/told" |
		awk '{ exit !($3 > $1 * 0.998 - 1 && $3 < $1 * 1.002 + 1 && $4 > $2 * 0.998 - 1 && $4 < $2 * 1.002 + 1) }'
	awk -v rate="$RATE" 'NR == FNR { blocks = $1; bytes = $2; next }
		$1 == "leak" {
			p = 1 - exp(-$3 / rate)
			n++
			sum += $3
			of_n += (1 - p) / p
			of_sum += $3 ^ 2 * (1 - p) / p
		}
		END { print "blocks", n, sqrt(of_n), blocks; print "bytes", sum, sqrt(of_sum), bytes }' \
		"$BATS_TEST_TMPDIR/told" "$SELF" | within_five_sigma
}

# bats test_tags=kernel-too
@test "--sample-bytes 64K: totals, sizes, threads, weights, frees and leaks of one run" {
	local check
	trace_sampled $RATE mix $((ALLOCATIONS / 4))
	[ "$(awk '$1 == "thread" { n += $4 } END { print n }' "$SELF")" -ge "$ALLOCATIONS" ]
	for check in totals_are_true every_size_is_fair every_thread_is_fair weights_are_true leaks_are_true \
		estimate_is_true; do
		echo "$check"
		$check
	done
	# Few are events, or it would be no sampling.
	[ "$(summary .events)" -lt $(($(truth calls "$SELF") / 8)) ]
}

@test "--sample-bytes: free(NULL) is counted as such" {
	trace_sampled $RATE mix 1000
	[ "$(summary '.calls.free.null // 0')" -eq "$(truth null "$SELF")" ]
}

@test "--sample-bytes: blocks that grow by realloc" {
	set -o pipefail
	trace_sampled $RATE chain $((ALLOCATIONS / 200))
	totals_are_true
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.unmatched_frees) \(.superseded)"')" = "0 0 0 0" ]
	[ "$(summary '"\(.live_estimated.blocks) \(.live_estimated.bytes)"')" = "0 0" ]
	replay >"$BATS_TEST_TMPDIR/live"
	[ ! -s "$BATS_TEST_TMPDIR/live" ]
}

@test "--sample-bytes: the growth of a block by realloc is sampled like any allocation of its size" {
	trace_sampled $RATE chain $((ALLOCATIONS / 200))
	# A block may leave the samples by realloc as well; such an event stands for nothing.
	samples 'select(.weighted_bytes) | .size' | count_lines >"$BATS_TEST_TMPDIR/told"
	expect '$3' | within_five_sigma
}

@test "--sample-bytes 1: everything, but what has no bytes" {
	trace_sampled 1 mix 1000
	totals_are_true
	samples '.size' | awk '$1' | count_lines >"$BATS_TEST_TMPDIR/told"
	awk '$1 == "thread" && $3 { n[$3] += $4 } END { for (size in n) print size, n[size] }' "$SELF" | LC_ALL=C sort \
		>"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	leaks_are_true
	[ "$(wc -l <"$BATS_TEST_TMPDIR/live")" -eq 401 ]
	# Each stands for itself.
	[ "$(summary '"\(.live_estimated.blocks) \(.live_estimated.bytes)"')" = "401 $((400 * 3000 + (10 << 20)))" ]
}

@test "--sample-bytes 1G: hardly anything, and the totals are exact" {
	trace_sampled 1073741824 mix 1000
	totals_are_true
	# Some 40 MB in all: on average one sample in 25 runs. The failing calls are of 2^62 bytes.
	[ "$(samples .size | wc -l)" -le 3 ]
}

# bats test_tags=kernel
@test "--sample-bytes: events that are lost or not shown are missing from the samples, not from the totals" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/sampled" --wait mix 10000
	start_tracer -f json --sample-bytes 1K --ring-size 64K -p "$held"
	run_unread
	[ "$status" -eq 0 ]
	[ "$(summary ".lost.total + .counted_only")" -gt 0 ]
	balanced
	totals_are_true
}

@test "--sample-bytes, text: the books tell the totals, and of how many calls the lines above are" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/sampled" --wait mix 1000
	start_tracer --sample-bytes 64K -p "$held"
	release_held
	wait_for is_gone "$held"
	end_tracer
	[ "$status" -eq 0 ]
	awk '$1 == "call" && $3 { print $2, $3, ($2 == "free" ? "- -" : $4 " " $5) }' "$SELF" | LC_ALL=C sort \
		>"$BATS_TEST_TMPDIR/true"
	sed '1,/^CALL  *COUNT  *BYTES  *FAILED/d; /^live/,$d' "$TRACE" | awk '{ print $1, $2, $3, $4 }' | LC_ALL=C sort \
		>"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	grep -q "$(truth calls "$SELF")" "$TRACE"
}

@test "--sample-bytes: refused sizes, and latency" {
	local size
	for size in 0 2G 1025M -1 x 1.5 ''; do
		run -2 "$ALLOCTRACE" --sample-bytes "$size" -- true
		[ "${#lines[@]}" -eq 1 ]
	done
	run -2 "$ALLOCTRACE" latency --sample-bytes 64K -- true
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *sample-bytes* ]]
	"$ALLOCTRACE" -q --sample-bytes 1G -o "$TRACE" -- true
}
