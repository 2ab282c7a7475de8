#!/usr/bin/env bash
# All that can be told without running: each line of output is a finding; silence and exit 0 mean clean.
# shellcheck disable=SC2317 # the steps are called by name
set -uo pipefail

bad=0
step() {
	local name=$1
	shift
	"$@" || { echo "lint: $name failed" >&2; bad=1; }
}

mapfile -t c_files < <(git ls-files 'bpf/*.[ch]' 'user/**.[ch]' 'tests/**.[ch]')
mapfile -t product < <(git ls-files 'user/**.c')
mapfile -t scripts < <(git ls-files '*.sh' '*.bats' '*.bash' tests/vm/init .ci/run)

clang_tidy=$(command -v clang-tidy-14 || command -v clang-tidy)
format() { "${CLANG_FORMAT:-clang-format}" --dry-run -Werror "${c_files[@]}"; }
# The analyzer loses sight of the memory inside bpftool's generated skeleton: its leak check is off for session.c.
tidy() {
	{
		printf '%s\n' "${product[@]}" | grep -v /session.c | xargs -P "$(nproc)" -n 4 "$clang_tidy" --quiet -p .
		"$clang_tidy" --quiet -p . --checks=-clang-analyzer-unix.Malloc user/probe/session.c
	} 2>&1 | grep -vE '^[0-9]* *warnings? generated\.$|^Suppressed |^Use -header-filter' | grep . && return 1
	return 0
}
check() {
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -D_GNU_SOURCE \
		-DALLOCTRACE_VERSION='"x"' -D__x86_64__ -D__linux__ -D__LP64__ -DCLOCK_MONOTONIC=1 '-DLIBBPF_OPTS(type,name,...)=struct type name = {__VA_ARGS__}' -Iuser -Iuser/include -I. "${product[@]}"
}
sizes() {
	awk 'FNR == 1 && NR > 1 && lines > 500 {print file ": " lines " lines, more than 500"; bad = 1}
		{file = FILENAME; lines = FNR} END {exit bad}' "${c_files[@]}"
}

step clang-format format
step clang-tidy tidy
step cppcheck check
step shellcheck shellcheck -x "${scripts[@]}"
step layers tests/layers.sh
step drift tests/drift.sh
step arm64 tests/arm64.sh
step sizes sizes
exit "$bad"
