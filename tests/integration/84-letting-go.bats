#!/usr/bin/env bats
# No target: the probes of a library that nobody maps any more are let go, and come back with it; those of one that is
# still mapped stay. Truth is what the borrower of the library counts, and the kernel's own list of descriptors.
# shellcheck disable=SC2030,SC2031,SC2154 # every test is a subshell; tracer and status are the helpers'
load helpers

COPIES=${COPIES:-12}
AT_MOST=90 # seconds: no trace of the whole system outlives a test that was killed
MAY_GROW=8 # descriptors

lenders=() asked=()

# make_copy NAME: an allocator that nobody else maps: a copy of libc; $library is its path.
make_copy() {
	library=$BATS_TEST_TMPDIR/$1
	[ -n "${original:-}" ] || original=$(ldd "$WORKLOADS/lender" | awk '$1 ~ /^libc\.so/ { print $3 }')
	cp -L "$original" "$library"
}

# borrow N: a lender in the background; it does what ask says. Its output is $BATS_TEST_TMPDIR/lender.N.
borrow() {
	local gate=$BATS_TEST_TMPDIR/gate.$1
	mkfifo "$gate"
	"$WORKLOADS/lender" <>"$gate" >"$BATS_TEST_TMPDIR/lender.$1" 2>&1 3>&- &
	lenders[$1]=$!
	asked[$1]=0
	started+=("$!")
	wait_for says "$BATS_TEST_TMPDIR/lender.$1" '^ready'
}

# ask N WORD [ARG]: has it do something, and waits until it is done.
ask() {
	asked[$1]=$((asked[$1] + 1))
	echo "${*:2}" >"$BATS_TEST_TMPDIR/gate.$1"
	wait_for says "$BATS_TEST_TMPDIR/lender.$1" "did ${asked[$1]} "
}

# dismiss N: it ends, having told its truth.
dismiss() {
	ask "$1" end
	wait "${lenders[$1]}"
}

# says FILE REGEX: without a process of its own, because all processes are slow while the whole system is traced.
says() {
	local text
	read -rd '' text <"$1" || true
	[[ $text =~ $2 ]]
}

# is_probed NAME TIMES, is_let_go NAME TIMES: whether alloctrace has said so about that library.
said_of() {
	local line="$1[^"$'\n'"]*/$2'" all i
	for ((i = 0; i < $3; i++)); do
		all+=${all:+.*}$line
	done
	says "$SAID" "$all"
}
is_probed() { said_of 'more functions' "$@"; }
is_let_go() { said_of 'let go of' "$@"; }

# wait_let_go NAME TIMES: some 15 seconds, or longer where all is slow.
wait_let_go() {
	local PATIENCE=$((PATIENCE < 60 ? 60 : PATIENCE))
	wait_for is_let_go "$@"
}

# calls_are_true N…: "PID CALL LINE COUNT" of lender.c, as told by these lenders, and by alloctrace.
calls_are_true() {
	local n
	for n; do
		awk '$1 == "call" { print $2, $3, $4, $5 }' "$BATS_TEST_TMPDIR/lender.$n"
	done | LC_ALL=C sort >"$BATS_TEST_TMPDIR/true"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/true")" -eq $((2 * $#)) ]
	table 'select(.stack[0].file // "" | endswith("/lender.c")) | "\(.pid) \(.call) \(.stack[0].line)"' \
		>"$BATS_TEST_TMPDIR/told"
	same "$BATS_TEST_TMPDIR/true" "$BATS_TEST_TMPDIR/told"
	balanced
}

# bats test_tags=kernel-too,system
@test "letting go: a library whose process has ended, and one that is unmapped; both are probed again" {
	local ended dropped
	make_copy libended.so
	ended=$library
	make_copy libdropped.so
	dropped=$library
	start_tracer -v -f json -n lender -d "$AT_MOST"
	borrow 1
	ask 1 load "$ended"
	borrow 2
	ask 2 load "$dropped"
	wait_for is_probed libended.so 1
	wait_for is_probed libdropped.so 1
	ask 1 work 100
	dismiss 1
	ask 2 work 50
	ask 2 drop
	wait_let_go libended.so 1
	wait_let_go libdropped.so 1
	borrow 3
	ask 3 load "$ended"
	ask 2 load "$dropped"
	wait_for is_probed libended.so 2
	wait_for is_probed libdropped.so 2
	ask 3 work 70
	dismiss 3
	ask 2 work 30
	dismiss 2
	stop_tracer
	[ "$status" -eq 0 ]
	calls_are_true 1 2 3
}

@test "letting go: not of a library that is still mapped, by another process or since before the start" {
	local before shared
	make_copy libbefore.so
	before=$library
	make_copy libshared.so
	shared=$library
	make_copy libalone.so
	borrow 1
	ask 1 load "$before"
	start_tracer -v -f json -n lender -d "$AT_MOST"
	borrow 2
	ask 2 load "$shared"
	borrow 3
	ask 3 load "$shared"
	borrow 4
	ask 4 load "$library"
	wait_for is_probed libshared.so 1
	wait_for is_probed libalone.so 1
	ask 2 work 40
	dismiss 2
	ask 4 work 20
	dismiss 4
	# Both have lost a process in the same moment: only one of them has none left.
	wait_let_go libalone.so 1
	ask 1 work 25
	ask 3 work 60
	dismiss 1
	dismiss 3
	stop_tracer
	[ "$status" -eq 0 ]
	not grep 'let go of .*lib\(before\|shared\)\.so' "$SAID"
	[ "$(grep -c 'more functions.*/libshared.so' "$SAID")" -eq 1 ]
	calls_are_true 1 2 3 4
}

# What alloctrace has open beside the machine's own files, which others may map at any time; and files of this test.
links() { find "/proc/$tracer/fd" -mindepth 1 -printf '%l\n' | grep -cv '^/' || true; }
libraries() { find "/proc/$tracer/fd" -mindepth 1 -printf '%l\n' | grep -c "^$BATS_TEST_TMPDIR/lib" || true; }
all_let_go() {
	[ "$(grep -o "let go of .*/libcopy-[0-9]*-" "$SAID" | sed 's,.*/,,' | sort -u | wc -l)" -eq "$COPIES" ]
}
few_left() { [ "$(links)" -le "$1" ]; } # the symbolizer keeps files open for their names: not counted here

@test "letting go: many libraries, one after another, and no more descriptors than at the start" {
	local before i
	for ((i = 1; i <= COPIES; i++)); do
		make_copy "libcopy-$i-.so"
	done
	start_tracer -v -f json -n lender -d "$AT_MOST"
	before=$(links)
	borrow 1
	# All at once: what bats does itself is slow as long as its own mallocs are probed.
	for ((i = 1; i <= COPIES; i++)); do
		library=$BATS_TEST_TMPDIR/libcopy-$i-.so
		printf '%s\n' "load $library" "await $SAID more functions, of '$library'" 'work 3' 'drop'
	done >"$BATS_TEST_TMPDIR/script"
	cat "$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/gate.1"
	asked[1]=$((4 * COPIES))
	dismiss 1
	PATIENCE=60 wait_for all_let_go
	# shellcheck disable=SC2034 # wait_for reads it
	PATIENCE=30 wait_for few_left $((before + MAY_GROW)) || true
	echo "# alloctrace has $(links) links and the like open ($before at the start)," \
		"and $(libraries) of $COPIES libraries that are gone" >&3
	few_left $((before + MAY_GROW))
	stop_tracer
	[ "$status" -eq 0 ]
	calls_are_true 1
}
