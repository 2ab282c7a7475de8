#!/usr/bin/env bash
# tests/soak.sh: alloctrace -k for as long as you like on a program that never pauses, first `latency`, then `trace` to a
# file. As root, from a checkout that is built (make soak).
#
#	tests/soak.sh                         600 s of each
#	SOAK_SECONDS=30 tests/soak.sh         30 s of each
#	SOAK_MODES=trace tests/soak.sh        one of them
#	SOAK_OPTIONS='--ring-size 64K' …      options for alloctrace
#
# The program is build/workloads/stress: eight threads, seven functions, every byte verified. It counts its own calls, and
# does the same work once more untraced when the tracer has gone; those are the truths here. What is checked, of each run:
#
#	books       what began is what the program counted, of each function no more than it called; and it is the sum of the
#	            events, what was lost and what was counted only: nothing is under way in a program that rests
#	file        every line is right JSON, every event of that program; as many events as the books say, of each function
#	memory      of alloctrace and the processes it has started: from the end of the warm-up (a tenth of the run, 5 s at
#	            least) to the end it grows by less than 2 % and 1 MiB
#	program     it told the same as untraced, nothing in it was wrong; it was probed during the run, lives on after it,
#	            has its code back as it was, and ends with 0
#	alloctrace  it ended with 0, at once when asked, and said nothing but "ready" and how much was not seen
#
# The trace is a real file, and would be tens of GB long: 30 MB or more a second. build/workloads/follow reads it behind
# alloctrace's back, judges every line, and punches holes into what it has read, so that only the last megabyte or so stays
# on the disk. Where the file system knows no holes, there must be room for all of it, or the run is refused. What is left:
#
#	build/soak/MODE/trace.json     the end of what alloctrace wrote, behind a hole as long as the rest
#	build/soak/MODE/read.json      its lines that are not events, and what was counted in it
#	build/soak/MODE/words          what alloctrace said
#	build/soak/MODE/rss            "MILLISECONDS KIB PROCESSES", once a second
#	build/soak/MODE/{program,untraced}.out   what the program told, traced and not
#
# Exit: 0 all is well; 1 a check failed, named below the table; 2 it could not run.
set -uo pipefail

build=${BUILD:-build}
seconds=${SOAK_SECONDS:-600}
read -ra modes <<<"${SOAK_MODES:-latency trace}"
read -ra options <<<"${SOAK_OPTIONS:-}"
readonly out=$build/soak patience=120 seed=1
warm_up=$((seconds / 10 > 5 ? seconds / 10 : 5))
readonly mb_per_second=100 # that a trace may need at most

declare -A cell # MODE.ROW: what the table shows
failures=()
target='' tracer='' reader='' dir=''
ms=0 began=0 # of the run: how long it has lasted, and the microsecond at which it began

die() {
	echo "tests/soak.sh: $*" >&2
	exit 2
}

end_all() {
	local pid
	exec 6>&- 7>&-
	for pid in $tracer $reader $target; do
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	target='' tracer='' reader=''
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for COMMAND…: until it succeeds; fails after a time that is never needed.
wait_for() {
	local deadline=$((SECONDS + patience))
	until "$@"; do
		((SECONDS < deadline)) || return
		read -rt 0.05 -u 5 || true
	done
}

is_running() { [[ $1 && -r /proc/$1/stat ]] && ! grep -qs '^State:.Z' "/proc/$1/status"; }
has_ended() { ! is_running "$1"; }
says() { grep -qs "$1" "$2"; }
says_or_ended() { says "$1" "$2" || has_ended "$3"; }

all_run() { is_running "$tracer" && is_running "$target" && is_running "$reader"; }

# fail MODE WHAT: a check that does not hold.
fail() { failures+=("$1: $2"); }

# truth KEY: what the program counted. calls_of: FUNCTION<tab>COUNT of each function.
truth() { sed -n "s/^truth $1=//p" "$dir/program.out"; }
calls_of_program() { sed -n 's/^truth \(.*\)\.count=/\1\t/p' "$dir/program.out" | LC_ALL=C sort; }

# books FILTER: from the last summary of what was read, followed FILTER: from what the reader counted.
books() { jq -rs "map(select(.type == \"summary\")) | last | $1" "$dir/read.json" 2>/dev/null; }
followed() { jq -r "select(.type == \"followed\") | $1" "$dir/read.json" 2>/dev/null; }

# Adds "MS KIB PROCESSES" to the samples, MS since the run began: what alloctrace and all that came of it have in memory now. No command is
# started for it: on a busy machine that takes seconds.
sample() {
	local -a family=("$tracer") children
	local i file name value kib=0 seen=0
	for ((i = 0; i < ${#family[@]}; i++)); do
		for file in "/proc/${family[i]}"/task/*/children; do
			{ read -ra children <"$file"; } 2>/dev/null
			family+=("${children[@]}")
		done
		while read -r name value _; do
			[[ $name == VmRSS: ]] && ((kib += value, seen++))
		done <"/proc/${family[i]}/status"
	done 2>/dev/null
	ms=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	((seen == 0)) || echo "$ms $kib $seen" >>"$dir/rss"
}

# rss_at MS: the median of the five samples nearest to that time; nothing when there are fewer than six at all.
rss_at() {
	awk -v at="$1" '{ off = $1 - at; print off < 0 ? -off : off, $2 } END { if (NR < 6) print -1, "few" }' "$dir/rss" |
		sort -n | head -n 5 | awk '{ print $2 }' | sort -n | awk '{ kib[NR] = $1 } /few/ { exit 1 } END { print kib[3] }'
}

# ---- one run

start_program() {
	rm -f "$dir/gate"
	mkfifo "$dir/gate" || die "no pipe can be made in $dir."
	"$build/workloads/stress" --wait 0 $seed <"$dir/gate" >"$dir/program.out" 2>"$dir/program.err" &
	target=$!
	exec 7<>"$dir/gate" # no signal when the program has ended
	wait_for says_or_ended '^ready' "$dir/program.out" $target && says '^ready' "$dir/program.out"
}

start_tracer() {
	"$build/alloctrace" "$1" -f json -k "${options[@]}" -o "$dir/trace.json" -p "$target" 2>"$dir/words" 6>&- 7>&- &
	tracer=$!
	wait_for says_or_ended 'ready:' "$dir/words" $tracer && says 'ready:' "$dir/words"
}

# Reads until descriptor 6 is closed, and then what is left.
start_reader() {
	rm -f "$dir/end"
	mkfifo "$dir/end"
	"$build/workloads/follow" "$dir/trace.json" "$target" <"$dir/end" >"$dir/read.json" 2>"$dir/reader.err" 7>&- &
	reader=$!
	exec 6<>"$dir/end"
}

# Lets the program work for its time; once a second, memory is looked at. Ends early when anybody else does.
watch_run() {
	ms=0
	began=${EPOCHREALTIME/[.,]/}
	echo go >&7
	while ((ms < seconds * 1000)) && all_run; do
		read -rt 1 -u 5 || true
		sample
	done
	cell[$1.seconds]=$((ms / 1000)).$((ms / 100 % 10))
	((ms >= seconds * 1000)) || fail "$1" "somebody ended after ${cell[$1.seconds]} s"
	echo stop >&7
	wait_for says_or_ended '^truth calls=' "$dir/program.out" "$target"
}

end_tracer() {
	local status
	kill -INT "$tracer" 2>/dev/null
	if ! wait_for has_ended "$tracer"; then
		fail "$1" "alloctrace did not end within $patience s"
		kill -KILL "$tracer"
	fi
	wait "$tracer"
	status=$?
	tracer=''
	((status == 0)) || fail "$1" "alloctrace ended with $status"
	grep -vE '^alloctrace: (ready: |warning: ([0-9]+ .* were (lost|only counted)|no event in two seconds))' "$dir/words" >"$dir/unexpected" &&
		fail "$1" "alloctrace said: $(head -n 1 "$dir/unexpected")"
	rm -f "$dir/unexpected"
}

end_reader() {
	exec 6>&-
	wait_for has_ended "$reader" || kill -KILL "$reader"
	wait "$reader" || fail "$1" 'the reader of the trace failed'
	reader=''
}

# The tracer has gone: the program is there, and goes on to its end.
end_program() {
	local status
	cell[$1.alive]=yes
	is_running "$target" || { cell[$1.alive]=NO && fail "$1" 'the program had ended'; }
	exec 7>&-
	wait_for has_ended "$target" || kill -KILL "$target" 2>/dev/null
	wait "$target"
	status=$?
	target=''
	((status == 0)) || fail "$1" "the program ended with $status: $(tail -n 1 "$dir/program.err")"
}

# ---- the checks

check_books() {
	cell[$1.calls]=$(truth calls)
	cell[$1.entered]=$(books .entered)
	cell[$1.events]=$(books .events)
	cell[$1.lost]=$(books '.lost | to_entries | map(select(.value > 0 and .key != "total") | "\(.value) \(.key)") | join(", ") |
		if . == "" then 0 else . end')
	cell[$1.counted_only]=$(books '.counted_only // 0')
	cell[$1.in_flight]=$(books '.in_flight // 0')
	cell[$1.books]=balance
	if [[ ! ${cell[$1.calls]} || ${cell[$1.calls]} == 0 || ${cell[$1.events]} == 0 ]]; then
		fail "$1" 'nothing was traced'
	elif [[ ${cell[$1.calls]} != "${cell[$1.entered]}" ]]; then
		fail "$1" "the program made ${cell[$1.calls]} calls, the books say ${cell[$1.entered]:-nothing}"
	elif [[ $(books '.events + .lost.total + (.counted_only // 0) + (.in_flight // 0) == .entered') != true ]]; then
		fail "$1" 'the books do not add up'
	elif [[ ${cell[$1.in_flight]} != 0 ]]; then
		fail "$1" "${cell[$1.in_flight]} calls were under way in a program that was at rest"
	elif [[ $(books '.lost | to_entries | map(select(.key != "total").value) | add') != "$(books .lost.total)" ]]; then
		fail "$1" 'the causes do not add up to what was lost'
	else
		check_functions "$1" && return
	fi
	cell[$1.books]=NO
}

# Of each function at most its calls, and exactly those if nothing is missing. The rows are of the events, or of all that
# was counted, lost or not.
check_functions() {
	local sum wrong exact=0
	sum=$(books '[.calls[].count] | add')
	if [[ $sum != "${cell[$1.events]}" && $sum != "$((${cell[$1.events]} + ${cell[$1.counted_only]}))" &&
		$sum != "${cell[$1.entered]}" ]]; then
		fail "$1" "the functions add up to $sum calls"
		return 1
	fi
	[[ $sum != "${cell[$1.calls]}" ]] || exact=1
	wrong=$(LC_ALL=C join -t $'\t' -a 1 -a 2 -e 0 -o 0,1.2,2.2 <(calls_of_program) \
		<(books '.calls | to_entries[] | "\(.key)\t\(.value.count)"' | LC_ALL=C sort) |
		awk -F '\t' -v exact=$exact \
			'$3 > $2 || exact && $3 != $2 { print $1 " was called " $2 " times and counted " $3 " times"; exit }')
	[[ -z $wrong ]] || { fail "$1" "$wrong" && return 1; }
}

check_file() {
	local events wrong
	cell[$1.mb]=$(followed '"\(.bytes / 1e6 | floor) (at most \(.most_kept / 1e6 | ceil) kept)"')
	cell[$1.file]=right
	events=$(followed .events)
	wrong=$(followed .wrong)
	if [[ $wrong != 0 ]]; then
		fail "$1" "${wrong:-all} lines of the file are wrong: $(head -n 1 "$dir/reader.err")"
	elif [[ $1 == latency ]]; then
		return
	elif [[ $events != "${cell[$1.events]}" ]]; then
		fail "$1" "the file has ${events:-no} events, the books say ${cell[$1.events]}"
	elif [[ $(jq -rs '(map(select(.type == "summary")) | last.calls) as $told | (map(select(.type == "followed")) | last.calls) |
		to_entries | all(.value <= ($told[.key].count // 0))' "$dir/read.json") != true ]]; then
		fail "$1" 'the file has more events of a function than the books'
	else
		return
	fi
	cell[$1.file]=NO
}

check_memory() {
	local warm end most
	warm=$(rss_at $((warm_up * 1000))) end=$(rss_at "$ms")
	cell[$1.warm]=${warm:--}
	((ms < 60000)) || cell[$1.minute]=$(rss_at 60000)
	cell[$1.end]=${end:--}
	cell[$1.processes]=$(awk '$3 > n { n = $3 } END { print n + 0 }' "$dir/rss")
	cell[$1.flat]=NO
	if [[ ! $warm || ! $end ]]; then
		fail "$1" 'its memory was not seen often enough'
		return
	fi
	most=$((warm / 50 + 1024))
	cell[$1.growth]="$((end - warm)) (below $most)"
	if ((end - warm < most)); then
		cell[$1.flat]=yes
	else
		fail "$1" "its memory grew from $warm KiB to $end KiB, more than by 2 % and 1 MiB"
	fi
}

# The same rounds once more, untraced.
check_program() {
	cell[$1.output]=same
	cell[$1.probes]=yes
	"$build/workloads/stress" "$(truth rounds)" $seed </dev/null >"$dir/untraced.out" 2>&1
	if ! diff <(grep '^truth' "$dir/untraced.out") <(grep '^truth' "$dir/program.out") >"$dir/diff"; then
		cell[$1.output]=NO
		fail "$1" "the program told something else than untraced: $(sed -n 's/^> //p' "$dir/diff" | head -n 1)"
	fi
	rm -f "$dir/diff"
	if [[ $(truth bytes-intact) != 1 ]]; then
		cell[$1.probes]=NO
		fail "$1" 'the code of the program is not what it was before'
	elif ! says '^state probed=1' "$dir/program.out"; then
		fail "$1" 'the program saw no probes during the run'
	fi
}

run() {
	dir=$out/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	echo "# $1: $seconds s" >&2
	start_program || die "the program does not start: $(head -n 1 "$dir/program.err")"
	start_tracer "$1" || die "alloctrace does not start: $(head -n 1 "$dir/words")"
	start_reader
	watch_run "$1"
	end_tracer "$1"
	end_reader "$1"
	end_program "$1"
	rm -f "$dir"/{gate,end}
	check_books "$1"
	check_file "$1"
	check_memory "$1"
	check_program "$1"
}

# ---- what is printed

row() {
	local mode
	printf '%-38s' "$1"
	for mode in "${modes[@]}"; do
		printf ' %28s' "${cell[$mode.$2]:--}"
	done
	echo
}

table() {
	printf '\n%-38s' 'alloctrace -k, 8 threads at full rate'
	printf ' %28s' "${modes[@]}"
	echo
	row 'seconds' seconds
	row 'calls, counted by the program' calls
	row 'calls, counted by alloctrace' entered
	row 'events' events
	row 'lost' lost
	row 'counted only' counted_only
	row 'not yet returned' in_flight
	row 'books' books
	row 'written, MB' mb
	row 'lines of the file' file
	row 'processes of alloctrace' processes
	row "memory (RSS), KiB, after $warm_up s" warm
	row 'memory after 60 s' minute
	row 'memory at the end' end
	row 'growth since the warm-up' growth
	row 'flat' flat
	row "the program's output, to untraced" output
	row 'the program lives on' alive
	row 'its code is as it was' probes
	((${#failures[@]} == 0)) || printf 'FAILED: %s\n' "${failures[@]}"
}

# A file system with holes, or room for all.
check_room() {
	local free
	free=$(df --output=avail -B 1M "$out" | tail -n 1)
	printf '%65536s' '' >"$out/hole"
	if ! fallocate -p -o 0 -l 65536 "$out/hole" 2>/dev/null && ((free < seconds * mb_per_second)); then
		die "the file system of $out knows no holes, and has $free MB free where $((seconds * mb_per_second)) may be needed."
	fi
	rm -f "$out/hole"
	((free > 2048)) || die "$out has only $free MB free."
}

main() {
	local program mode
	[[ $seconds =~ ^[1-9][0-9]+$ ]] || die "SOAK_SECONDS: '$seconds' is not a number of seconds, 10 or more."
	((EUID == 0)) || die 'it must be run as root.'
	[[ -r /proc/$$/task/$$/children ]] || die 'this kernel does not tell the children of a process.'
	for program in jq fallocate "$build"/{alloctrace,workloads/stress,workloads/follow}; do
		command -v "$program" >/dev/null || die "there is no $program (make soak builds what is needed)."
	done
	for mode in "${modes[@]}"; do
		[[ $mode == latency || $mode == trace ]] || die "SOAK_MODES: '$mode' is neither latency nor trace."
	done
	mkdir -p "$out"
	exec 5<> <(:) 9>"$out/lock" # nothing is ever read from 5: that is how to sleep without a process
	flock -n 9 || die "another tests/soak.sh is at work in $out."
	check_room
	for mode in "${modes[@]}"; do
		run "$mode"
	done
	table
	((${#failures[@]} == 0))
}

main
