#!/usr/bin/env bash
# Everything that is product compiles for arm64, by the Makefile's own rules and with warnings as errors: silence and
# exit 0 mean that it does, else there is a line for each error. Nothing is linked and nothing runs.
#
# The C library's headers are Debian's for cross-compiling. Of this machine's own only what is named below is seen, by
# links in build/arm64/include, so that none that is meant for x86-64 gets in between.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly out=${BUILD:-build}/arm64 cross=/usr/aarch64-linux-gnu/include
readonly headers='bpf elfutils libelf.h gelf.h dwarf.h Zydis Zycore jansson.h jansson_config.h libiberty sys/sdt.h sys/sdt-config.h seccomp.h seccomp-syscalls.h cap-ng.h zstd.h zstd_errors.h protobuf-c zlib.h zconf.h linux asm-generic'

skip() {
	echo "arm64: skipped, $1"
	exit 0
}

# The first of the paths that exists, as $out/include/NAME.
link() {
	local name=$1 path
	shift
	for path; do
		[[ -e $path ]] || continue
		mkdir -p "$(dirname "$out/include/$name")"
		ln -sfn "$path" "$out/include/$name"
		return
	done
}

# Of the kernel's headers only asm/ differs between machines, and where one package serves them all, it has that too.
link_headers() {
	local name here
	here=/usr/include/$(uname -m)-linux-gnu
	rm -rf "$out/include"
	for name in $headers; do
		link "$name" "$here/$name" "/usr/include/$name"
	done
	link asm /usr/include/aarch64-linux-gnu/asm "$cross/asm"
}

compile() {
	local clang=$1 only="-nostdlibinc -isystem $out/include -isystem $cross"
	local -a objects
	mapfile -t objects < <(find user -name '*.c' | sed "s,.*,$out/obj/&,; s,c\$,o,")
	env -u MAKEFLAGS -u MAKELEVEL make -k -j "$(nproc)" BUILD="$out" MACHINE=aarch64 WARN='-Wall -Wextra -Werror' \
		CLANG="$clang $only" CC="$clang --target=aarch64-linux-gnu $only" "${objects[@]}" 2>&1
}

main() {
	local clang said errors
	clang=$(command -v "${CLANG:-clang}") || skip 'there is no clang'
	[[ -e $cross/stdio.h ]] || skip 'there are no headers of its C library (libc6-dev-arm64-cross)'
	link_headers
	said=$(compile "$clang") && return
	errors=$(grep -E ': (fatal )?error: ' <<<"$said" | sort -u)
	errors=${errors:-$(tail -n 1 <<<"$said")}
	echo "arm64: ${errors//$'\n'/$'\n'arm64: }" >&2
	return 1
}

main
