#!/bin/bash
# tests/vm/run.sh [KERNEL...]: the tests that depend on the kernel, as root: on Debian's cloud kernels under qemu, and on
# the kernel that runs.
#
#	tests/vm/run.sh                  6.1, 6.12 and the running one, side by side
#	tests/vm/run.sh 6.12             one of them; "running" is the one that runs
#	VM_MORE=1 tests/vm/run.sh        those with the tag "kernel-too" as well: a quarter of an hour without KVM
#	VM_ALL=1 tests/vm/run.sh         all tests, not only those with the tag "kernel": hours without KVM
#	VM_TIMEOUT=60 tests/vm/run.sh    a guest is given up after 60 s (2400)
#	VM_SUITE=DIR tests/vm/run.sh     the tests of DIR in place of tests/integration, whatever their tags
#
# A test is selected by the line "# bats test_tags=kernel" above it. "kernel,system" is for those that trace the whole
# system: on the running kernel they wait until the guests have ended, for qemu's own mallocs would be probed.
#
# kernel.sh fetches a kernel, guest.sh packs the guest, init runs the suite in it and sends the TAP over a second serial
# port. Only that result decides, never how qemu ended: no result, an incomplete one, one in which no test ran, a panic
# and a timeout are failures like a failed test. What a run leaves behind:
#
#	build/vm/KERNEL/console.log   all the guest said, the suite's lines as they came
#	build/vm/KERNEL/result.tap    the suite's TAP; partial or empty if the guest did not finish
#	build/vm/kernels.md           the table of the kernels, for the README
#
# Under an emulated CPU (no /dev/kvm) timings inside the guest mean nothing.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=${here%/tests/vm}
readonly here top
readonly out=$top/build/vm limit=${VM_TIMEOUT:-2400}

# The tag of the tests that are selected, for guest.sh; none means all.
VM_TAGS=kernel
[[ ! ${VM_ALL:-} && ! ${VM_SUITE:-} ]] || VM_TAGS=
export VM_TAGS
# What guest.sh has made of the checkout: the programs, and the tests that are selected. The guests have it as /alloctrace.
readonly suite=$out/suite/alloctrace

# What an emulated CPU would do laboriously and no test asks for is left out: wide registers, a fifth level of page tables,
# checks on every access of the kernel's to user memory. With addresses that are the same in each process, code that was
# translated once serves all of them: that alone saves a third.
readonly emulated_cpu=max,-la57,-avx2,-xsave,-smap,-smep,-erms
readonly emulated_kernel='mitigations=off nokaslr norandmaps audit=0 nmi_watchdog=0 tsc=reliable'

die() {
	echo "$*" >&2
	exit 1
}

# The guests run side by side, in the background, so that an interrupted run takes them along.
declare -A guests
kvm='' # yes or no, once it has been tried
end_guests() {
	local kernel
	for kernel in "${!guests[@]}"; do
		kill "${guests[$kernel]}" 2>/dev/null
		wait "${guests[$kernel]}" 2>/dev/null
	done
}
trap end_guests EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Whether KVM runs kernel $1: where it is itself virtual it may be there, and stop at an instruction that it does not know.
# A kernel that has nothing to mount says so by a panic, within seconds.
kvm_runs() {
	local dir=$out/$1
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 1
	timeout --foreground -k 5 15 qemu-system-x86_64 -M q35,accel=kvm -cpu max -m 512 -nodefaults -no-user-config -no-reboot \
		-display none -monitor none -serial "file:$dir/kvm.log" -kernel "$dir/vmlinuz" -append 'console=ttyS0 panic=-1' \
		</dev/null >"$dir/qemu.log" 2>&1
	grep -q 'Kernel panic' "$dir/kvm.log"
}

# Boots kernel $1 in the background.
boot() {
	local dir=$out/$1 accel=tcg cpu=$emulated_cpu append="console=ttyS0 panic=-1 oops=panic"
	kvm=${kvm:-$(kvm_runs "$1" && echo yes || echo no)}
	if [[ $kvm == yes ]]; then
		accel=kvm
		cpu=max
	else
		append+=" $emulated_kernel"
	fi
	: >"$dir/console.log"
	: >"$dir/port"
	timeout --foreground -k 5 "$limit" qemu-system-x86_64 -M q35,accel=$accel -cpu $cpu -smp 2 -m 2048 \
		-nodefaults -no-user-config -no-reboot -display none -monitor none \
		-serial "file:$dir/console.log" -serial "file:$dir/port" \
		-kernel "$dir/vmlinuz" -initrd "$out/initramfs.cpio" \
		-append "$append" </dev/null >"$dir/qemu.log" 2>&1 &
	guests[$1]=$!
}

# Starts a part of the selection here, on the running kernel, in the background: its TAP in $1.tap. $2: what bats selects.
native() {
	local dir=$out/running
	local -a as_root=()
	((EUID == 0)) || as_root=(sudo)
	# shellcheck disable=SC2016 # the arguments of the inner shell
	"${as_root[@]}" timeout -k 5 "$limit" bash -c '
		cd "$1" || exit 1
		source tests/vm/numbers.sh
		[[ $2 != apart ]] || tests/vm/features.sh | sed "s/^/# has: /"
		exec bats --tap --timing --filter-tags "$3" tests/integration' \
		native "$suite" "$1" "$2" </dev/null >"$dir/$1.tap" 2>>"$dir/console.log" &
	guests[running]=$!
}

# Waits for the guest of kernel $1, or for what runs here; its exit code is left in $ended. True unless it had to be stopped.
wait_guest() {
	ended=0
	wait "${guests[$1]}" || ended=$?
	unset "guests[$1]"
	((ended != 124 && ended != 137))
}

# The TAP between the guest's two markers, and how the suite ended; from a guest that did not finish, what the console
# shows of it.
save_tap() {
	local dir=$out/$1
	if grep -q '^alloctrace-vm end ' "$dir/port"; then
		sed -n '/^alloctrace-vm begin /,/^alloctrace-vm end /{ /^alloctrace-vm /!p }' "$dir/port"
		sed -n 's/^alloctrace-vm end //p' "$dir/port" >"$dir/status"
	else
		tr -d '\r' <"$dir/console.log" | sed -n 's/^| //p'
	fi >"$dir/result.tap"
}

# The parts that ran here, as one TAP.
join_taps() {
	awk '/^1\.\.[0-9]+$/ { planned += substr($1, 4); next }
		/^(not )?ok [0-9]+/ { sub(/ok [0-9]+/, "ok " ++n) }
		{ print }
		END { print "1.." planned }' "$@"
}

# "SUITE TESTS" of each suite that takes part.
selected() { grep -c '^@test ' "$suite"/tests/integration/*.bats /dev/null | sed -nE 's,.*/(.*)\.bats:(.*),\1 \2,p'; }

# "passed failed skipped planned" of a TAP file.
count() {
	awk '
		/^1\.\.[0-9]+/ { planned = substr($1, 4) }
		/^not ok /     { failed++ }
		/^ok /         { if (tolower($0) ~ /# skip/) skipped++; else passed++ }
		END            { print passed + 0, failed + 0, skipped + 0, planned + 0 }' "$1"
}

# One sentence on what is wrong with the run of kernel $1, nothing if nothing is. $2: it had to be stopped.
fault() {
	local dir=$out/$1 stopped=$2 passed failed skipped planned status=
	local panic='^\[ *[0-9.]+\] Kernel panic - not syncing'
	read -r passed failed skipped planned < <(count "$dir/result.tap")
	[[ ! -s $dir/status ]] || status=$(<"$dir/status")
	if grep -qE "$panic" "$dir/console.log"; then
		grep -m1 -oE "$panic.*" "$dir/console.log" | tr -d '\r' | sed 's/^\[[^]]*\] K/k/'
	elif ((stopped)); then
		echo "it hung and was stopped after $limit s"
	elif [[ ! -s $dir/console.log && -s $dir/qemu.log ]]; then
		echo "qemu did not start: $(tail -n 1 "$dir/qemu.log")"
	elif [[ ! $status ]]; then
		echo "the guest ended without a result"
	elif ((passed + failed == 0)); then
		echo "no test ran"
	elif ((failed)); then
		echo "$failed failed"
	elif ((planned != passed + skipped)); then
		echo "$planned tests planned, $((passed + skipped)) reported"
	elif ((planned != tests)); then
		echo "$tests tests are selected, $planned were planned"
	elif ((status != 0)); then
		echo "no test failed, but the suite ended with status $status"
	fi
}

declare -A release seconds faults
failures=0 began=0 tests=0

# Gets kernel $1 and boots it; a fault is noted where it cannot be had.
start_kernel() {
	local kernel=$1 dir=$out/$1 message
	release[$kernel]=-
	seconds[$kernel]=0
	mkdir -p "$dir"
	rm -f "$dir"/{console.log,result.tap,port,qemu.log,status,apart.tap,system.tap}
	if [[ $kernel == running ]]; then
		native apart '!system'
		return
	fi
	if ! message=$("$here/kernel.sh" "$kernel" "$dir" 2>&1); then
		faults[$kernel]=$(tail -n 1 <<<"$message")
		return
	fi
	echo "# $kernel: booting, console in ${dir#"$top/"}/console.log"
	boot "$kernel"
}

# Waits for what runs here, and has the rest run: nobody else does by now.
finish_native() {
	local dir=$out/running worst
	[[ ${guests[running]:-} ]] || return 1
	wait_guest running || return 1
	worst=$ended
	native system system
	wait_guest running || return 1
	((ended <= worst)) || worst=$ended
	join_taps "$dir/apart.tap" "$dir/system.tap" >"$dir/result.tap"
	echo "$worst" >"$dir/status"
}

# Says what the kernel itself complained of. When an emulated CPU is slow, that alone is why a task or RCU waits.
tell_complaints() {
	local line
	grep -aE '^\[ *[0-9.]+\] (WARNING: |BUG: |watchdog: BUG: |rcu: INFO: .* detected |INFO: task .* blocked )' "$out/$1/console.log" |
		tr -d '\r' | sed 's/^\[[^]]*\] //' | sort | uniq -c | sort -rn | head -n 5 |
		while read -r line; do
			echo "# $1: the kernel itself complained (how often, of what): $line"
		done
}

# Waits for kernel $1 and judges it; fills release, seconds (since all were started) and faults.
judge_kernel() {
	local kernel=$1 dir=$out/$1 stopped=0
	[[ ${guests[$kernel]:-} ]] || return 0 # not asked for, or not to be had
	if [[ $kernel == running ]]; then
		finish_native || stopped=1
		release[$kernel]=$(uname -r)
		[[ -e $dir/result.tap ]] || join_taps "$dir"/*.tap >"$dir/result.tap"
	else
		wait_guest "$kernel" || stopped=1
		release[$kernel]=$(tr -d '\r' <"$dir/console.log" | sed -n 's/^alloctrace-vm: \([^ ]*\) is up .*/\1/p' | head -n 1)
		save_tap "$kernel"
	fi
	seconds[$kernel]=$((SECONDS - began))
	sed "s/^/$kernel | /" "$dir/result.tap"
	faults[$kernel]=$(fault "$kernel" "$stopped")
	if [[ ${faults[$kernel]} && ! -s $dir/status ]]; then
		echo "# $kernel: the last lines of the console:"
		tail -n 15 "$dir/console.log" | tr -d '\r' | sed 's/^/#   /'
	fi
	tell_complaints "$kernel"
}

# What all that was started has used of the CPUs: on a busy machine that says more than how long it took.
cpu_seconds() { awk -F '[ms ]+' 'NR == 2 { print int(60 * $1 + $2 + 60 * $3 + $4) }' "$out/times"; }

table() {
	local kernel passed failed skipped
	printf '\n%-8s %-28s %6s %6s %7s %7s\n' kernel release passed failed skipped seconds
	for kernel; do
		read -r passed failed skipped _ < <(count "$out/$kernel/result.tap" 2>/dev/null)
		printf '%-8s %-28s %6s %6s %7s %7s%s\n' "$kernel" "${release[$kernel]:--}" "${passed:--}" "${failed:--}" \
			"${skipped:--}" "${seconds[$kernel]}" "${faults[$kernel]:+   FAILED: ${faults[$kernel]}}"
	done
	echo
	for kernel; do
		sed -n "s/^# has: /$kernel: /p" "$out/$kernel/result.tap" 2>/dev/null
	done
	for kernel; do
		sed -nE "s/ in [0-9]+ms #/ #/; s/^ok [0-9]+ (.*) # [sS][kK][iI][pP] ?(.*)/skipped on $kernel: \1: \2/p" "$out/$kernel/result.tap" 2>/dev/null
	done
	times >"$out/times" # not in a subshell, which has children of its own
	echo "$((SECONDS - began)) s, of $(nproc) CPUs $(cpu_seconds) s"
	echo "$tests tests of the suites $(selected | awk '{ printf "%s%s (%d)", (NR > 1 ? ", " : ""), $1, $2 }')"
}

# The same for the README: "| 6.1.0-56-cloud-amd64, in qemu | 62 | 0 | 3 | uprobes by ...; ... |".
markdown() {
	local kernel passed failed skipped
	echo '| kernel | passed | failed | skipped | what it has |'
	echo '|---|---|---|---|---|'
	for kernel; do
		[[ -e $out/$kernel/result.tap ]] || continue
		read -r passed failed skipped _ < <(count "$out/$kernel/result.tap")
		[[ $kernel == running ]] || release[$kernel]+=', in qemu'
		echo "| ${release[$kernel]} | $passed | $failed | $skipped | $(sed -n 's/^# has: //p' "$out/$kernel/result.tap" |
			paste -sd ';' | sed 's/;/; /g') |"
	done
}

main() {
	local kernel missing=
	local -a kernels=("$@")
	((${#kernels[@]})) || kernels=(6.1 6.12 running)
	[[ $limit =~ ^[1-9][0-9]*$ ]] || die "VM_TIMEOUT: '$limit' is not a number of seconds."
	for kernel in "${kernels[@]}"; do
		[[ $kernel =~ ^([0-9]+\.[0-9]+|running)$ ]] ||
			die "'$kernel' is not a kernel series (usage: tests/vm/run.sh [6.1] [6.12] [running])."
	done
	for kernel in qemu-system-x86_64 busybox cpio; do
		command -v "$kernel" >/dev/null || missing+=" $kernel"
	done
	[[ -z $missing ]] || die "tests/vm/run.sh needs$missing (run make deps)."

	mkdir -p "$out"
	exec 9>"$out/lock"
	flock -n 9 || die "another tests/vm/run.sh is at work in $out."
	"$here/guest.sh" || die "the guest could not be built."
	tests=$(selected | awk '{ n += $2 } END { print n + 0 }')
	began=$SECONDS
	for kernel in "${kernels[@]}"; do
		start_kernel "$kernel"
	done
	# What runs here comes last: a part of it waits for the guests.
	for kernel in "${kernels[@]/running/}" running; do
		[[ $kernel ]] || continue
		judge_kernel "$kernel"
		[[ ! ${faults[$kernel]:-} ]] || failures=$((failures + 1))
	done
	table "${kernels[@]}"
	markdown "${kernels[@]}" >"$out/kernels.md"
	((failures == 0))
}

main "$@"
