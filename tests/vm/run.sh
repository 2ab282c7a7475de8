#!/bin/bash
# tests/vm/run.sh [KERNEL...]: the suites that depend on the kernel, as root on Debian's cloud kernels under qemu.
#
#	tests/vm/run.sh                  6.1 and 6.12, side by side
#	tests/vm/run.sh 6.12             one of them
#	VM_TIMEOUT=60 tests/vm/run.sh    a guest is given up after 60 s (2400)
#	VM_SUITE=DIR tests/vm/run.sh     the tests of DIR in place of tests/integration
#
# kernel.sh fetches a kernel, guest.sh packs the guest, init runs the suite in it and sends the TAP over a second serial
# port. Only that result decides, never how qemu ended: no result, an incomplete one, one in which no test ran, a panic
# and a timeout are failures like a failed test. What a run leaves behind:
#
#	build/vm/KERNEL/console.log   all the guest said, the suite's lines as they came
#	build/vm/KERNEL/result.tap    the suite's TAP; partial or empty if the guest did not finish
#
# Under an emulated CPU (no /dev/kvm) timings inside the guest mean nothing.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=${here%/tests/vm}
readonly here top
readonly out=$top/build/vm limit=${VM_TIMEOUT:-2400}

die() {
	echo "$*" >&2
	exit 1
}

# The guests run side by side, in the background, so that an interrupted run takes them along.
declare -A guests
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

# Boots kernel $1 in the background.
boot() {
	local dir=$out/$1 accel=tcg
	[[ -r /dev/kvm && -w /dev/kvm ]] && accel=kvm:tcg
	: >"$dir/console.log"
	: >"$dir/port"
	timeout --foreground -k 5 "$limit" qemu-system-x86_64 -M q35,accel=$accel -cpu max -smp 2 -m 2048 \
		-nodefaults -no-user-config -no-reboot -display none -monitor none \
		-serial "file:$dir/console.log" -serial "file:$dir/port" \
		-kernel "$dir/vmlinuz" -initrd "$out/initramfs.cpio" \
		-append 'console=ttyS0 panic=-1 oops=panic' </dev/null >"$dir/qemu.log" 2>&1 &
	guests[$1]=$!
}

# Waits for the guest of kernel $1; true unless it had to be stopped.
wait_guest() {
	local ended
	wait "${guests[$1]}"
	ended=$?
	unset "guests[$1]"
	((ended != 124 && ended != 137))
}

# The TAP between the guest's two markers; from a guest that did not finish, what the console shows of it.
save_tap() {
	local dir=$out/$1
	if grep -q '^alloctrace-vm end ' "$dir/port"; then
		sed -n '/^alloctrace-vm begin /,/^alloctrace-vm end /{ /^alloctrace-vm /!p }' "$dir/port"
	else
		tr -d '\r' <"$dir/console.log" | sed -n 's/^| //p'
	fi >"$dir/result.tap"
}

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
	local dir=$out/$1 stopped=$2 passed failed skipped planned status
	local panic='^\[ *[0-9.]+\] Kernel panic - not syncing'
	read -r passed failed skipped planned < <(count "$dir/result.tap")
	status=$(sed -n 's/^alloctrace-vm end //p' "$dir/port")
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
	elif ((status != 0)); then
		echo "no test failed, but the suite ended with status $status"
	fi
}

declare -A release seconds faults
failures=0 began=0

# Gets kernel $1 and boots it; a fault is noted where it cannot be had.
start_kernel() {
	local kernel=$1 dir=$out/$1 message
	release[$kernel]=-
	seconds[$kernel]=0
	rm -f "$dir"/{console.log,result.tap,port,qemu.log}
	if ! message=$("$here/kernel.sh" "$kernel" "$dir" 2>&1); then
		faults[$kernel]=$(tail -n 1 <<<"$message")
		return
	fi
	echo "# $kernel: booting, console in ${dir#"$top/"}/console.log"
	boot "$kernel"
}

# Waits for kernel $1 and judges it; fills release, seconds (since all were started) and faults.
judge_kernel() {
	local kernel=$1 dir=$out/$1 stopped=0 message
	[[ ${guests[$kernel]:-} ]] || return 0
	wait_guest "$kernel" || stopped=1
	seconds[$kernel]=$((SECONDS - began))
	release[$kernel]=$(tr -d '\r' <"$dir/console.log" | sed -n 's/^alloctrace-vm: \([^ ]*\) is up .*/\1/p' | head -n 1)
	save_tap "$kernel"
	sed "s/^/$kernel | /" "$dir/result.tap"
	faults[$kernel]=$(fault "$kernel" "$stopped")
	if [[ ${faults[$kernel]} && ! $(sed -n '/^alloctrace-vm end /p' "$dir/port") ]]; then
		echo "# $kernel: the last lines of the console:"
		tail -n 15 "$dir/console.log" | tr -d '\r' | sed 's/^/#   /'
	fi
	message=$(grep -cE '^\[ *[0-9.]+\] WARNING: ' "$dir/console.log")
	((message == 0)) || echo "# $kernel: the kernel itself warned $message times, see the console"
}

table() {
	local kernel passed failed skipped
	printf '\n%-8s %-28s %6s %6s %7s %7s\n' kernel release passed failed skipped seconds
	for kernel; do
		read -r passed failed skipped _ < <(count "$out/$kernel/result.tap" 2>/dev/null)
		printf '%-8s %-28s %6s %6s %7s %7s%s\n' "$kernel" "${release[$kernel]:--}" "${passed:--}" "${failed:--}" \
			"${skipped:--}" "${seconds[$kernel]}" "${faults[$kernel]:+   FAILED: ${faults[$kernel]}}"
	done
	for kernel; do
		sed -nE "s/^ok [0-9]+ (.*) # [sS][kK][iI][pP] ?(.*)/skipped on $kernel: \1: \2/p" "$out/$kernel/result.tap" 2>/dev/null
	done
}

main() {
	local kernel missing=
	local -a kernels=("$@")
	((${#kernels[@]})) || kernels=(6.1 6.12)
	[[ $limit =~ ^[1-9][0-9]*$ ]] || die "VM_TIMEOUT: '$limit' is not a number of seconds."
	for kernel in "${kernels[@]}"; do
		[[ $kernel =~ ^[0-9]+\.[0-9]+$ ]] || die "'$kernel' is not a kernel series (usage: tests/vm/run.sh [6.1] [6.12] ...)."
	done
	for kernel in qemu-system-x86_64 busybox cpio; do
		command -v "$kernel" >/dev/null || missing+=" $kernel"
	done
	[[ -z $missing ]] || die "tests/vm/run.sh needs$missing (run make deps)."

	mkdir -p "$out"
	exec 9>"$out/lock"
	flock -n 9 || die "another tests/vm/run.sh is at work in $out."
	"$here/guest.sh" || die "the guest could not be built."
	began=$SECONDS
	for kernel in "${kernels[@]}"; do
		start_kernel "$kernel"
	done
	for kernel in "${kernels[@]}"; do
		judge_kernel "$kernel"
		[[ ! ${faults[$kernel]:-} ]] || failures=$((failures + 1))
	done
	table "${kernels[@]}"
	((failures == 0))
}

main "$@"
