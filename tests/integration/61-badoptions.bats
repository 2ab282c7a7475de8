#!/usr/bin/env bats
# A command line that is wrong is refused: one sentence that names what is wrong with it, exit code 2, nothing attached,
# no command has run.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; held is start_held's
load helpers
load badinput

# ---- values

@test "--ring-size" {
	local bad good
	for bad in 0 1 3K 2G 1T abc '' -1 1.5M 64KB 99999999999999999999; do
		wrong_line '--ring-size takes' --ring-size "$bad"
	done
	for good in 64K 16M 65537; do
		attempt -q -e malloc,free --ring-size "$good" -- "$WORKLOADS/victim" --rounds 10
		[ "$status" -eq 0 ]
		[ ! -s "$SAID" ]
	done
}

@test "-d and -i" {
	local bad
	for bad in 0 x -1 1e99 nan inf '' 1s -0 0.0 ' 1'; do
		wrong_line '--duration takes' -d "$bad"
		wrong_line '--interval takes' -i "$bad"
	done
}

@test "--max-stack" {
	local bad
	for bad in 0 128 -1 x '' 1e1; do
		wrong_line '--max-stack takes' -k --max-stack "$bad"
	done
}

@test "-z and -Z" {
	local bad
	for bad in x -1 '' 1Q 1KK 0x10 99999999999999999999 18014398509481984K; do
		wrong_line '--min-size takes' -z "$bad"
		wrong_line '--max-size takes' -Z "$bad"
	done
	wrong_line 'min-size.*max-size' -z 10 -Z 5
}

@test "-f with a format that is none" {
	wrong_line "xml" -f xml
	wrong_line "has no format ''" -f ''
}

@test "-e with names that are none" {
	wrong_line "mallok" -e mallok
	wrong_line "-e" -e ''
	wrong_line "-e" -e malloc,,free
	wrong_line "-e" -e malloc,
	wrong_line "-e" -e pool:
	wrong_line "-e" -e "pool:$(printf 'x%.0s' {1..300})"
	wrong_line "Malloc" -e malloc,Malloc
}

# ---- the shape of the line

@test "an unknown option" {
	wrong_line "unknown option '--no-such'" --no-such
	wrong_line "unknown option '-x'" -x
	wrong_line "unknown option '-v?x'" -vx
	wrong_line "unknown option '-xv?'" -d 5 -xv
	wrong_line "unknown option" $'-\033'
}

@test "a value that is missing, and one that is too much" {
	local option
	for option in -p --pid -d -i -f -o -e -z -Z --max-stack --ring-size; do
		attempt "$option"
		refused_early 2 "option '$option' needs a value"
	done
	wrong_line "strict" --strict=yes
}

@test "an ambiguous abbreviation" {
	wrong_line "'--m'|--m" --m 1
}

@test "a reserved word, an unknown command" {
	attempt top -p "$NO_PID"
	refused_early 2 "'top'.* yet"
	attempt frobnicate -p "$NO_PID"
	refused_early 2 "unknown command 'frobnicate'"
	attempt '' -p "$NO_PID"
	refused_early 2 "unknown command ''"
	attempt ls -p "$NO_PID"
	refused_early 2 "unknown command 'ls'.*--"
}

@test "recordings: none named, too many, and no options of a target" {
	attempt report
	refused_early 2 "'report' takes a file"
	attempt report a b
	refused_early 2 "'report' takes a file"
	attempt diff a
	refused_early 2 "'diff' takes two files"
	attempt record -p "$NO_PID"
	refused_early 2 '-o FILE'
	attempt report a -p "$NO_PID"
	refused_early 2 '--pid'
	attempt report a --as compare
	refused_early 2 "'compare'.*leaks"
	attempt leaks -f chrome -p "$NO_PID"
	refused_early 2 "'chrome'.*folded"
}

@test "words that belong to nothing" {
	attempt -p "$NO_PID" stray
	refused_early 2 "'stray'"
	attempt trace -p "$NO_PID" trace
	refused_early 2 "'trace'"
	attempt trace stray -- touch "$BATS_TEST_TMPDIR/ran"
	refused_early 2 "'stray'"
	did_not_run
	attempt -p "$NO_PID" --
	refused_early 2 "'--' must be followed by a command"
}

@test "options that exclude each other" {
	wrong_line "-p and a command" -p "$NO_PID"
	wrong_line "-v and -q" -v -q
	attempt -p "$NO_PID" --exit-status
	refused_early 2 "--exit-status"
	attempt -p "$NO_PID" --as-root
	refused_early 2 "--as-root"
}

@test "-h and -V print to standard output alone" {
	local option
	for option in -h --help -V --version; do
		attempt "$option"
		[ "$status" -eq 0 ]
		[ ! -s "$SAID" ]
		[ -s "$TRACE" ]
	done
	attempt -V
	[ "$(wc -l <"$TRACE")" -eq 1 ]
	grep -Eq '^alloctrace [0-9]+\.[0-9]+' "$TRACE"
	attempt latency --help
	[ "$status" -eq 0 ]
	grep -q '^usage: alloctrace' "$TRACE"
}
