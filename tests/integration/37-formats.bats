#!/usr/bin/env bats
# What other programs read: pprof and speedscope themselves, and readers that know nothing of alloctrace. The truth is
# ledger.c, which keeps books of its own lines, and the JSON of the same recording.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # filters of jq; every test is a subshell; held and status are the helpers'
load helpers

# record_ledger: into $REC, from before its first call to its end; its own books to $SELF.
record_ledger() {
	REC=$BATS_TEST_TMPDIR/recording
	SELF=$BATS_TEST_TMPDIR/held.out
	start_held "$WORKLOADS/ledger" --wait 1 7
	start_tracer record --strict -k -o "$REC" -p "$held"
	release_held
	end_tracer
	[ "$status" -eq 0 ]
	wait "$held"
}

# again REPORT FORMAT FILE OPTION…: out of the recording.
again() {
	local report=$1 format=$2 file=$3
	shift 3
	"$ALLOCTRACE" report "$REC" --as "$report" -f "$format" -o "$file" "$@" 2>"$SAID"
}

# pprof ARG…: the real one, which must not look for anything elsewhere.
pprof() { env HOME="$BATS_TEST_TMPDIR" GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local go tool pprof "$@"; }

# speedscope FILE: what its importer says, see speedscope.js. Its package is fetched once.
speedscope() {
	local place=$BUILD/cache/speedscope
	if ! compgen -G "$place/node_modules/speedscope/dist/release/speedscope-*.js" >/dev/null; then
		timeout 120 npm install --prefix "$place" --no-audit --no-fund --ignore-scripts --silent speedscope@1.25.0 >&2 || return
	fi
	node tests/integration/speedscope.js "$place"/node_modules/speedscope/dist/release/speedscope-*.js "$1"
}

needs_speedscope() {
	{ command -v node && command -v npm; } >/dev/null || skip "no node and npm"
	printf 'main;f 1\n' >"$BATS_TEST_TMPDIR/probe.txt"
	speedscope "$BATS_TEST_TMPDIR/probe.txt" >/dev/null 2>&1 || skip "speedscope cannot be had from npm"
}

# true_lines FIELD: "LINE VALUE" of the ledger's books, what is 0 left out. By number, as in "site LINE ALLOCATIONS …".
true_lines() { awk -v field="$1" '$1 == "site" && $2 != "all" && $field > 0 { print $2, $field }' "$SELF" | LC_ALL=C sort; }

# pprof_lines FILE INDEX: the same, as pprof adds it up by the line that called.
pprof_lines() {
	pprof -top -lines -nodecount=100000 -nodefraction=0 -edgefraction=0 -unit=B -sample_index="$2" "$1" 2>/dev/null |
		sed -nE 's/^ *([0-9]+)B? .*ledger\.c:([0-9]+)( \(inline\))?$/\2 \1/p' |
		awk '$2 > 0 { sum[$1] += $2 } END { for (line in sum) print line, sum[line] }' | LC_ALL=C sort
}

# same: what is true and what was told.
same() { diff "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told" >"$BATS_TEST_TMPDIR/differ" || { head -20 "$BATS_TEST_TMPDIR/differ" && false; }; }

# agrees REPORT INDEX FIELD: pprof and the program's own books, line by line.
agrees() {
	[ -e "$BATS_TEST_TMPDIR/$1.pb.gz" ] || again "$1" pprof "$BATS_TEST_TMPDIR/$1.pb.gz"
	pprof_lines "$BATS_TEST_TMPDIR/$1.pb.gz" "$2" >"$BATS_TEST_TMPDIR/told"
	true_lines "$3" >"$BATS_TEST_TMPDIR/true"
	[ -s "$BATS_TEST_TMPDIR/true" ]
	same
}

@test "go tool pprof adds up what the program itself has counted" {
	command -v go >/dev/null || skip "no go"
	record_ledger
	agrees hot alloc_objects 3
	agrees hot alloc_space 4
	agrees hot inuse_space 14
	agrees leaks inuse_objects 13
	agrees leaks inuse_space 14
	agrees temporary alloc_objects 8
	agrees peak inuse_objects 15
	agrees peak inuse_space 16
	# What each is about comes first, the file that was run, and what was not seen in it.
	pprof -top "$BATS_TEST_TMPDIR/leaks.pb.gz" >"$TRACE" 2>/dev/null
	has_line '^File: ledger$' "$TRACE"
	has_line '^Type: inuse_space$' "$TRACE"
	pprof -top "$BATS_TEST_TMPDIR/hot.pb.gz" 2>/dev/null | grep -q '^Type: alloc_objects$'
}

@test "a profile is what its format says, to a reader of its own, and has the sums of the JSON" {
	local report
	record_ledger
	for report in leaks hot temporary peak; do
		again "$report" pprof "$BATS_TEST_TMPDIR/$report.pb.gz"
		again "$report" json "$BATS_TEST_TMPDIR/$report.json"
		python3 tests/golden/read_pprof.py <"$BATS_TEST_TMPDIR/$report.pb.gz" >"$TRACE"
		awk -F ' [|] ' 'NF == 2 { split($1, v, " "); for (i = 1; i <= 4; i++) sum[i] += v[i] }
			END { print sum[1] + 0, sum[2] + 0, sum[3] + 0, sum[4] + 0 }' "$TRACE" >"$BATS_TEST_TMPDIR/told"
		jq -rs --arg report "$report" '[.[] | select(.type == "site")] |
			[[.[] | if $report == "temporary" then .temporary else .allocations end],
			 [.[] | if $report == "temporary" then 0 else .allocated_bytes end],
			 [.[] | {leaks: .blocks, hot: .live.blocks, temporary: 0, peak: .at_peak.blocks}[$report]],
			 [.[] | {leaks: .bytes, hot: .live.bytes, temporary: 0, peak: .at_peak.bytes}[$report]]] |
			map(add // 0) | join(" ")' "$BATS_TEST_TMPDIR/$report.json" >"$BATS_TEST_TMPDIR/true"
		[ "$report" != temporary ] || sed -i 's/^\([0-9]*\) [0-9]* /\1 0 /' "$BATS_TEST_TMPDIR/told"
		same
	done
}

@test "csv has the calls of the JSON" {
	record_ledger
	again trace csv "$TRACE"
	again trace json "$BATS_TEST_TMPDIR/trace.json"
	python3 tests/golden/check_csv.py <"$TRACE"
	# Not by jq: its numbers are no integers.
	python3 - "$TRACE" "$BATS_TEST_TMPDIR/trace.json" "$BATS_TEST_TMPDIR"/{told,true} <<-'END'
		import csv, json, sys
		own = ["pid", "tid", "comm", "call", "kind", "size", "align", "addr", "old_addr", "old_size", "latency_ns"]
		place = ["function", "file", "line", "column", "module"]
		with open(sys.argv[3], "w") as told:
		    for row in csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8")):
		        print(row["time_ns"], row["failed"], *(row[name] for name in own + place), sep="|", file=told)
		with open(sys.argv[2]) as lines, open(sys.argv[4], "w") as true:
		    start = json.loads(next(lines))["start_ns"]
		    for line in map(json.loads, lines):
		        if line["type"] == "event":
		            print(line["ts_ns"] - start, int(line.get("failed", False)), *(line.get(name, "") for name in own),
		                  *(line["stack"][0].get(name, "") for name in place), sep="|", file=true)
	END
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -gt 1000 ]
	same
}

@test "trace events are the calls of the JSON, and the counters end with what is live" {
	record_ledger
	again trace chrome "$TRACE"
	again trace json "$BATS_TEST_TMPDIR/trace.json"
	jq -e -n -f tests/golden/chrome.jq "$TRACE"
	python3 -m json.tool "$TRACE" >/dev/null
	jq -r '.otherData.start_ns as $start | .traceEvents[] | select(.ph == "X") |
		"\(.name) \(.tid) \(.ts * 1000 + 0.5 | floor) \(.dur * 1000 + 0.5 | floor) \(.args.size) \(.args.addr)"' \
		"$TRACE" >"$BATS_TEST_TMPDIR/told"
	jq -rs '.[0].start_ns as $start | .[] | select(.type == "event") |
		"\(.call) \(.tid) \(.ts_ns - $start) \(.latency_ns // 0) \(.size) \(.addr)"' \
		"$BATS_TEST_TMPDIR/trace.json" >"$BATS_TEST_TMPDIR/true"
	same
	[ "$(jq -c '[.traceEvents[] | select(.ph == "C") | .args] | [(map(.blocks // empty) | last), (map(.bytes // empty) | last)]' "$TRACE")" = \
		"$(jq -c 'select(.type == "summary") | [.live.blocks, .live.bytes]' "$BATS_TEST_TMPDIR/trace.json")" ]
}

@test "speedscope reads trace events: every call that has a length, on its thread" {
	needs_speedscope
	record_ledger
	again trace chrome "$BATS_TEST_TMPDIR/trace.json"
	speedscope "$BATS_TEST_TMPDIR/trace.json" >"$TRACE"
	jq -rs 'map("\(.name | capture("tid (?<tid>[0-9]+)").tid) \(.opened) \(.closed) \(.unit)") | sort[]' "$TRACE" \
		>"$BATS_TEST_TMPDIR/told"
	jq -r '[.traceEvents[] | select(.ph == "X" and .dur > 0)] | group_by(.tid) |
		map("\(.[0].tid) \(length) \(length) microseconds") | sort[]' "$BATS_TEST_TMPDIR/trace.json" \
		>"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq 3 ]
	same
}

@test "speedscope reads profiles and folded stacks: the same sum" {
	needs_speedscope
	record_ledger
	again leaks pprof "$BATS_TEST_TMPDIR/leaks.pb.gz"
	again leaks folded "$BATS_TEST_TMPDIR/leaks.txt"
	again leaks json "$BATS_TEST_TMPDIR/leaks.json"
	jq -s '[.[] | select(.type == "site").bytes] | add' "$BATS_TEST_TMPDIR/leaks.json" >"$BATS_TEST_TMPDIR/true"
	speedscope "$BATS_TEST_TMPDIR/leaks.pb.gz" >"$TRACE"
	[ "$(jq -r .unit "$TRACE")" = bytes ]
	jq .total "$TRACE" | diff "$BATS_TEST_TMPDIR/true" -
	speedscope "$BATS_TEST_TMPDIR/leaks.txt" | jq .total | diff "$BATS_TEST_TMPDIR/true" -
}

@test "every line of every report is as the schema says" {
	local report
	python3 -c 'import jsonschema' || skip "no python3-jsonschema"
	"$ALLOCTRACE" --json-schema >"$BATS_TEST_TMPDIR/schema"
	record_ledger
	for report in trace leaks hot temporary peak sizes; do
		again "$report" json "$TRACE"
		python3 tests/golden/check_schema.py "$BATS_TEST_TMPDIR/schema" <"$TRACE"
	done
	"$ALLOCTRACE" diff "$REC" "$REC" -f json >"$TRACE"
	python3 tests/golden/check_schema.py "$BATS_TEST_TMPDIR/schema" <"$TRACE"
	# The books of a pool, and what the schema does not know.
	"$ALLOCTRACE" -f json -o "$TRACE" -- "$BUILD/pool-demo" --messages 20 >/dev/null 2>"$SAID"
	python3 tests/golden/check_schema.py "$BATS_TEST_TMPDIR/schema" <"$TRACE"
	sed -i 's/"in_flight"/"in_fright"/' "$TRACE"
	not python3 tests/golden/check_schema.py "$BATS_TEST_TMPDIR/schema" <"$TRACE"
}

@test "odd names of a live run, in all formats" {
	start_held "$WORKLOADS/oddnames" --wait
	start_tracer -f csv -p "$held"
	release_held
	end_tracer
	wait "$held"
	python3 tests/golden/check_csv.py <"$TRACE"
	[ "$(wc -l <"$TRACE")" -gt 80 ]
	start_held "$WORKLOADS/oddnames" --wait
	start_tracer -f chrome -p "$held"
	release_held
	end_tracer
	wait "$held"
	jq -e -n -f tests/golden/chrome.jq "$TRACE"
	start_held "$WORKLOADS/oddnames" --wait
	start_tracer hot -f pprof -p "$held"
	release_held
	end_tracer
	wait "$held"
	python3 tests/golden/read_pprof.py <"$TRACE" >"$BATS_TEST_TMPDIR/profile"
	not grep -nP '[\x00-\x08\x0b-\x1f\x7f]' "$BATS_TEST_TMPDIR/profile"
}

@test "a trace in which nothing happened is valid" {
	"$ALLOCTRACE" -f chrome -o "$TRACE" -e valloc -- "$WORKLOADS/pairs" 10 >/dev/null 2>"$SAID"
	[ "$(jq '.traceEvents | length' "$TRACE")" -eq 0 ]
	"$ALLOCTRACE" -f csv -o "$TRACE" -e valloc -- "$WORKLOADS/pairs" 10 >/dev/null 2>"$SAID"
	[ "$(wc -l <"$TRACE")" -eq 1 ]
}
