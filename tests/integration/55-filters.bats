#!/usr/bin/env bats
# Narrowing a target: by command name, user, cgroup. The other side of each filter must be silent.

load helpers
bats_require_minimum_version 1.5.0

# events ARG…: how many events a short run of pool-demo gives.
events() {
	"$ALLOCTRACE" -q -f json "$@" -- "$BUILD/pool-demo" --pattern queue --messages 10 --lane malloc >"$TRACE"
	grep -v '^[^{]' "$TRACE" | tail -n 1 | jq -r .events
}

# bats test_tags=kernel-too
@test "-n: only threads of that name" {
	[ "$(events -n pool-demo)" -gt 20 ]
	[ "$(events -n pool-dem)" -eq 0 ]
	[ "$(events -n pool-demo-longer-than-a-name-can-be)" -eq 0 ]
}

@test "-u: only processes of that user, by name and by number" {
	[ "$(events -u root)" -gt 20 ]
	[ "$(events -u 0)" -gt 20 ]
	[ "$(events -u 65534)" -eq 0 ]
	run -2 "$ALLOCTRACE" -u nobody-of-that-name -- true
	run -2 "$ALLOCTRACE" -u 1K -- true
}

# bats test_tags=kernel
@test "--cgroup: only processes in it or below" {
	local root
	root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
	[ -n "$root" ] || skip "no cgroup2 is mounted"
	mkdir -p "$root/alloctrace-test/inner" || skip "cannot make a cgroup"
	(
		echo "$BASHPID" >"$root/alloctrace-test/inner/cgroup.procs"
		events --cgroup "$root/alloctrace-test"
	) >"$BATS_TEST_TMPDIR/inside"
	events --cgroup "$root/alloctrace-test" >"$BATS_TEST_TMPDIR/outside"
	events --cgroup "$root" >"$BATS_TEST_TMPDIR/root"
	rmdir "$root/alloctrace-test/inner" "$root/alloctrace-test"
	[ "$(cat "$BATS_TEST_TMPDIR/inside")" -gt 20 ]
	[ "$(cat "$BATS_TEST_TMPDIR/outside")" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/root")" -gt 20 ]
	run -1 "$ALLOCTRACE" --cgroup /tmp -- true
	[[ $output == *"is no cgroup"* ]]
}
