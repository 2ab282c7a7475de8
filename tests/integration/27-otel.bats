#!/usr/bin/env bats
# Samplers that speak OpenTelemetry's contract: USDT probes otel_memory:alloc and otel_memory:free. What was sampled,
# what it stands for and what is left is told by the workload's own sampler (tests/workloads/otel.c).
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

# A multiple of the sampler's period: the weights add up to all that was allocated.
BLOCKS=$((${ROUNDS:-40} * 8))

# What alloctrace is given beside the target.
options=()

# under_p COMMAND ARG…: it waits until alloctrace -p is there, and is traced until its end. Its words are in $SELF.
under_p() {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$@"
	start_tracer -f json --strict "${options[@]}" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
}

under_command() {
	SELF=$BATS_TEST_TMPDIR/self
	"$ALLOCTRACE" -f json --strict "${options[@]}" -o "$TRACE" -- "$@" >"$SELF" 2>"$SAID" </dev/null
}

of_the_pool='.type == "event" and (.call | startswith("otel_memory:"))'

# Counts, bytes, weights and what is live, in the events and in the books; and that there is something to be seen.
samples_are_true() {
	local want
	[ "$(truth otel_memory:alloc.count "$SELF")" -gt 5 ]
	[ "$(truth otel_memory:free.count "$SELF")" -gt 5 ]
	want="$(truth otel_memory:alloc.count "$SELF") $(truth otel_memory:alloc.bytes "$SELF") $(
		truth otel_memory:alloc.weighted_bytes "$SELF")"
	[ "$(summary '.calls["otel_memory:alloc"] | "\(.count) \(.bytes) \(.weighted_bytes)"')" = "$want" ]
	[ "$(jq -rs "map(select($of_the_pool"' and .kind == "alloc")) |
		"\(length) \(map(.size) | add) \(map(.weighted_bytes) | add)"' "$TRACE")" = "$want" ]
	# What each sample stands for is a fraction of a count: its sum is not off by more than the fractions.
	summary '.calls["otel_memory:alloc"].weighted_count' | awk -v low="$(truth weighted_count.low "$SELF")" \
		-v high="$(truth weighted_count.high "$SELF")" '!($1 >= low && $1 <= high) { print "weighted_count", $0; exit 1 }'
	[ "$(summary '.calls["otel_memory:free"].count')" = "$(truth otel_memory:free.count "$SELF")" ]
	[ "$(jq -rs "map(select($of_the_pool"' and .kind == "free")) | length' "$TRACE")" = \
		"$(truth otel_memory:free.count "$SELF")" ]
	[ "$(summary '.pools[] | select(.name == "otel_memory") | "\(.live.blocks) \(.live.bytes) \(.unmatched_frees)"')" = \
		"$(truth sampled.blocks "$SELF") $(truth sampled.bytes "$SELF") 0" ]
	[ "$(summary '.lost.total')" -eq 0 ]
	balanced
}

# malloc and free of the same program, whose blocks have the same addresses, are as exact as ever.
malloc_is_true() {
	[ "$(jq -r 'select(.type == "event" and (.call == "malloc" or .call == "free") and
		(.stack[0].file // "" | endswith("/otel.c"))) | "\(.call) \(.old_size // .size)"' "$TRACE" |
		awk '{ n[$1]++; bytes[$1] += $2 } END { print n["malloc"], bytes["malloc"], n["free"], bytes["free"] }')" = "$(
		awk '$1 == "line" && $3 == "otel.c" { n[$2] += $5; bytes[$2] += $6 }
			END { print n["malloc"], bytes["malloc"], n["free"], bytes["free"] }' "$SELF")" ]
}

# Nothing but what the program did: for -p alone.
books_are_true() {
	[ "$(summary .entered)" -eq $(($(truth calls "$SELF") + $(truth otel_memory:alloc.count "$SELF") + $(
		truth otel_memory:free.count "$SELF"))) ]
	[ "$(summary '"\(.live.blocks) \(.live.bytes) \(.superseded) \(.unmatched_frees)"')" = \
		"$(truth live.blocks "$SELF") $(truth live.bytes "$SELF") 0 0" ]
}

@test "-p: samples, their weights, and what is left of them" {
	under_p "$WORKLOADS/otel" --wait "$BLOCKS"
	samples_are_true
	malloc_is_true
	books_are_true
	# The weights of this sampler tell what was allocated, sampled or not.
	[ "$(summary '.calls["otel_memory:alloc"] | "\(.weighted_count + 0) \(.weighted_bytes)"')" = \
		"$(truth total.count "$SELF") $(truth total.bytes "$SELF")" ]
}

@test "--: samples, their weights, and what is left of them" {
	under_command "$WORKLOADS/otel" "$BLOCKS"
	samples_are_true
	malloc_is_true
}

@test "-p: a sampler by bytes, whose weights are no multiples of the size" {
	under_p "$WORKLOADS/otel" --wait --bytes "$BLOCKS"
	[ "$(truth weighted_count.low "$SELF")" -lt "$(truth weighted_count.high "$SELF")" ]
	samples_are_true
	malloc_is_true
	books_are_true
}

# bats test_tags=kernel
@test "-p and --: probes with semaphores, raised while alloctrace is there" {
	under_p "$WORKLOADS/otel-semaphores" --wait "$BLOCKS"
	samples_are_true
	books_are_true
	under_command "$WORKLOADS/otel-semaphores" "$BLOCKS"
	samples_are_true
}

@test "a library that has the probes, in a program that does not" {
	under_p "$WORKLOADS/mapper" --wait --open "$WORKLOADS/libotel.so" "$BLOCKS"
	samples_are_true
	malloc_is_true
}

@test "a library with the probes that is opened later" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/mapper" --wait --late --open "$WORKLOADS/libotel.so" "$BLOCKS"
	start_tracer -v -f json --strict -p "$held"
	echo >&7
	wait_for has_line '^loaded' "$SELF"
	wait_for has_line 'probed .*libotel' "$SAID"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	samples_are_true
}

@test "an event: call, kind, pool, size, weight" {
	under_p "$WORKLOADS/otel" --wait "$BLOCKS"
	[ "$(jq -s "map(select($of_the_pool"')) | length > 10 and all(.pool == "otel_memory")' "$TRACE")" = true ]
	[ "$(jq -s 'map(select(.call == "otel_memory:alloc")) |
		all(.kind == "alloc" and (.addr | startswith("0x")) and .size > 0 and .weighted_bytes == 8 * .size or
			.size == 5368709120 and .weighted_bytes == 16106127360)' "$TRACE")" = true ]
	[ "$(jq -s 'map(select(.call == "otel_memory:free")) |
		all(.kind == "free" and (.addr | startswith("0x")) and .old_size > 0 and .weighted_bytes == null)' "$TRACE")" = true ]
	# "SIZE COUNT" of all samples: the sampler takes one of eight, of each size.
	jq -r 'select(.call == "otel_memory:alloc" and .size < 1000000) | .size' "$TRACE" | count_lines >"$BATS_TEST_TMPDIR/told"
	for size in 1 24 100 512 4096 20000; do
		echo "$size $((BLOCKS / 8))"
	done | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
}

@test "-e pool:otel_memory: samples alone" {
	options=(-e pool:otel_memory)
	under_p "$WORKLOADS/otel" --wait "$BLOCKS"
	samples_are_true
	[ "$(jq -r 'select(.type == "event") | .call' "$TRACE" | sort -u | paste -sd ' ')" = \
		"otel_memory:alloc otel_memory:free" ]
}

@test "-e malloc,free: no samples" {
	options=(-e 'malloc,free')
	under_p "$WORKLOADS/otel" --wait "$BLOCKS"
	malloc_is_true
	[ "$(jq -r 'select(.type == "event") | .call' "$TRACE" | sort -u | paste -sd ' ')" = "free malloc" ]
	[ "$(summary '.calls["otel_memory:alloc"].count // 0')" -eq 0 ]
	balanced
}

@test "text: a line for each sample, and a row in the books" {
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/otel" --wait "$BLOCKS"
	start_tracer -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	[ "$(awk '$4 == "otel_memory:alloc"' "$TRACE" | wc -l)" -eq "$(truth otel_memory:alloc.count "$SELF")" ]
	[ "$(awk '$4 == "otel_memory:free"' "$TRACE" | wc -l)" -eq "$(truth otel_memory:free.count "$SELF")" ]
	grep -qE "^otel_memory:alloc +$(truth otel_memory:alloc.count "$SELF") +$(truth otel_memory:alloc.bytes "$SELF") " "$TRACE"
	grep -qE "^otel_memory:free +$(truth otel_memory:free.count "$SELF") " "$TRACE"
	grep -qE "^live in pool otel_memory: $(truth sampled.blocks "$SELF") .*, $(truth sampled.bytes "$SELF") bytes" "$TRACE"
}

# bats test_tags=kernel-too
@test "probes with semaphores are left alone again when alloctrace goes" {
	start_held "$WORKLOADS/otel-semaphores" --wait "$BLOCKS"
	start_tracer -f json -p "$held"
	stop_tracer
	[ "$status" -eq 0 ]
	release_held
	wait "$held"
	[ "$(truth otel_memory:alloc.count "$BATS_TEST_TMPDIR/held.out")" -eq 0 ]
}
