# The cost curve: a program that allocates at a given rate and does a little work besides, and the CPU time that tracing
# adds to it; run.sh sources it.
# shellcheck shell=bash disable=SC2154 # what run.sh and tools.sh set

# The nanoseconds that the tracer has run, all threads, and now in microseconds.
tracer_clock() {
	awk -v now="${EPOCHREALTIME/[.,]/}" '{ns += $1} END {print ns, now}' "/proc/$tracer"/task/*/schedstat 2>/dev/null
}

# pace TOOL RATE: one run. A line of TOOL.RATE is: CPU seconds a pair of the traced program, pairs a second, and the
# percentage of a core that the tool itself took (- where it cannot be told).
pace() {
	local before='' after=''
	start "$2" "$depth" "$seconds" || return
	[ "$1" = untraced ] || attach "$1" || return
	echo >&8
	hear begun || return
	[ -z "$tracer" ] || before=$(tracer_clock) || before=''
	hear wall || return
	[ -z "$tracer" ] || after=$(tracer_clock) || after=''
	finish "$1" || return
	echo "$line $before $after" |
		awk '{print $6 / $2, $2 / $4, NF == 10 ? ($9 - $7) / ($10 - $8) / 10 : "-"}' >>"$work/$1.$2"
}

# The median of the differences to the untraced run of the same round, as percent of a core at that rate. A rate that
# was missed by more than 2 % is marked with what was reached; the percentage is what it would have taken, up to 100.
added_cell() {
	local added reached
	added=$(paste -d ' ' "$work/untraced.$2" "$work/$1.$2" | awk -v rate="$2" '{print ($4 - $1) * rate * 100}' | median)
	reached=$(awk '{print $2}' "$work/$1.$2" | median)
	awk -v added="$added" -v reached="$reached" -v rate="$2" 'BEGIN {
		percent = added > 100 ? ">100 %" : sprintf("%.1f %%", added)
		print percent (reached < rate * 0.98 ? sprintf(", reached %d/s", reached) : "")
	}'
}

own_cell() {
	if grep -q -- ' -$' "$work/$1.$2"; then
		echo -
	else
		awk '{print $3}' "$work/$1.$2" | median | awk '{printf "%.1f %%\n", $1}'
	fi
}

base_cell() {
	awk '{print $1 * $2 * 100}' "$work/$1.$2" | median | awk '{printf "%.1f %%\n", $1}'
}

# block TITLE CELL TOOL…
block() {
	local title=$1 cell=$2 tool rate
	shift 2
	printf '%-22s' "$title"
	for rate in "${rates[@]}"; do
		printf ' %23s' "$rate pairs/s"
	done
	echo
	for tool; do
		printf '%-22s' "$tool"
		for rate in "${rates[@]}"; do
			printf ' %23s' "$("$cell" "$tool" "$rate")"
		done
		echo
	done
}

curve_round() {
	local tool rate
	for rate in "${rates[@]}"; do
		measure untraced || leave_out untraced # for check_quiet
		for tool in "${curve_tools[@]}"; do
			pace "$tool" "$rate" || leave_out "$tool"
		done
	done
}

curve() {
	local round
	for ((round = 1; round <= curve_rounds; round++)); do
		progress "rate round $round of $curve_rounds"
		curve_round
	done
	echo
	echo 'percent of one core at a paced rate of pairs'
	block 'THE PROGRAM ALONE' base_cell untraced
	block 'ADDED TO THE PROGRAM' added_cell "${curve_tools[@]:1}"
	block 'THE TOOL ITSELF' own_cell "${curve_tools[@]:1}"
	printf '%s rounds of %s s each\n' "$curve_rounds" "$seconds"
}
