#!/bin/bash
# tests/deps.sh [--check|--install|--list] [build|test|vm|all]: the one list of the packages alloctrace needs.
#
#	--check     exit 0 if all of the group is installed, else name what is missing and exit 1 (the default)
#	--install   install what is missing; asks for root (sudo) only if something is
#	--list      print the group
#
# An entry "a|b" is satisfied by either; installed is the first that apt knows. "a&b" are two packages that only
# together are one answer. The list serves Debian 12 and 13 and Ubuntu 24.04.
#
# Debian 12 carries libbpf 1.1; its backports carry 1.4 and the bpftool that goes with it, and they are preferred where
# they can be had, without a change to the machine's own sources. ALLOCTRACE_NO_BACKPORTS=1 keeps 1.1.
set -uo pipefail

readonly build='gcc make pkg-config clang bpftool|linux-tools-common&linux-tools-generic
	libbpf-dev libelf-dev libdw-dev libjansson-dev libiberty-dev libzydis-dev libjemalloc-dev libseccomp-dev libcap-ng-dev systemtap-sdt-dev
	libzstd-dev protobuf-c-compiler libprotobuf-c-dev zlib1g-dev
	libc6-dev linux-libc-dev'
readonly test='libcmocka-dev bats jq perl valgrind libc6-dbg gdb g++ binutils elfutils procps python3 python3-jsonschema sqlite3 redis-server redis-tools heaptrack golang-go
	cppcheck shellcheck man-db libclang-rt-dev|libclang-rt-18-dev clang-format-14|clang-format clang-tidy-14|clang-tidy libc6-dev-arm64-cross
	musl-tools libjemalloc2 libtcmalloc-minimal4|libtcmalloc-minimal4t64 libmimalloc2.0|libmimalloc3 dwz elfutils xz-utils debuginfod'
readonly vm='qemu-system-x86 busybox-static cpio'

die() {
	echo "$*" >&2
	exit 1
}

group() {
	case $1 in
	build) echo "$build" ;;
	test) echo "$test" ;;
	vm) echo "$vm" ;;
	all) echo "$build $test $vm" ;;
	esac | xargs -n 1
}

# The entries on stdin that are not installed, by a single question to dpkg.
missing() {
	local entry names
	local -a entries alternatives
	local -A version
	mapfile -t entries
	if command -v dpkg-query >/dev/null; then
		IFS='|&' read -ra names <<<"$(IFS='|' && echo "${entries[*]}")"
		while read -r state name number; do
			[[ $state == ?i ]] && version[$name]=$number
		done < <(dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' "${names[@]}" 2>/dev/null)
	fi
	for entry in "${entries[@]}"; do
		IFS='|' read -ra alternatives <<<"$entry"
		satisfied "${alternatives[@]}" || echo "$entry"
	done
}

# True if one of the alternatives is wholly there; reads its caller's "version".
satisfied() {
	local alternative name
	local -a names
	for alternative; do
		IFS='&' read -ra names <<<"$alternative"
		for name in "${names[@]}"; do
			[[ ${version[$name]:-} ]] || continue 2
		done
		return 0
	done
	return 1
}

# "a, b and c" of the entries a b|x c.
sentence() {
	local -a names=("${@%%|*}")
	local last=${names[-1]} most
	unset 'names[-1]'
	most=${names[*]}
	echo "${most:+${most// /, } and }$last"
}

# --- installing ---------------------------------------------------------------------------------------------------

# Nothing that is installed may start: the tests start their own redis. Without systemd a runlevel in which no service
# has a start link keeps it from that, with systemd its offline mode; and needrestart is to leave others alone.
as_root() {
	local -a quiet=(env LC_ALL=C DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1 NEEDRESTART_SUSPEND=1)
	if ((EUID == 0)); then
		"${quiet[@]}" "$@"
	else
		sudo "${quiet[@]}" "$@"
	fi
}

apt_install() {
	as_root apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@" >&2
}

# For every entry the packages of its first alternative that apt has; 1 and the entry on stderr if there is none.
choose() {
	local entry alternative known name
	local -a names
	known=" $(xargs apt-cache policy <<<"${*//[|&]/ }" 2>/dev/null |
		awk '/^[^ ].*:$/ { name = substr($1, 1, length($1) - 1) } $1 == "Candidate:" && $2 != "(none)" { print name }' |
		paste -sd ' ') "
	for entry; do
		while read -r alternative; do
			IFS='&' read -ra names <<<"$alternative"
			for name in "${names[@]}"; do
				[[ $known == *" $name "* ]] || continue 2
			done
			echo "${names[*]}"
			continue 2
		done < <(tr '|' '\n' <<<"$entry")
		echo "apt knows no package $entry, which alloctrace needs." >&2
		return 1
	done
}

# True if libbpf-dev and bpftool are to come from backports. They go together: one of them that is installed already
# decides for the other.
wants_backports() {
	[[ ${ALLOCTRACE_NO_BACKPORTS:-0} == 0 && " $* " =~ \ (libbpf-dev|bpftool)\  ]] || return 1
	grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release && grep -q '^ID=debian$' /etc/os-release || return 1
	! grep -q '^.i[^~]*$' < <(dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' libbpf-dev bpftool 2>/dev/null)
}

# The machine's own Debian sources with backports for a suite, as files in $1, whichever of the two formats they have.
# A stranger's source with a suite of the same name is carried along; it merely fails to answer.
derive_sources() {
	local parts='' list=''
	eval "$(apt-config shell parts Dir::Etc::sourceparts/d list Dir::Etc::sourcelist/f)"
	find "$parts" -name '*.sources' -exec cat {} + -exec echo \; 2>/dev/null | awk -v RS= '
		{ gsub(/(^|\n)#[^\n]*/, "") }
		/(^|\n)Types:[^\n]*deb( |\n|$)/ && /(^|\n)Suites:([^\n]* )?bookworm( |\n|$)/ &&
		/(^|\n)Components:[^\n]*main/ && !/(^|\n)Enabled: *no/ {
			sub(/Types:[^\n]*/, "Types: deb")
			sub(/Suites:[^\n]*/, "Suites: bookworm-backports")
			sub(/Components:[^\n]*/, "Components: main")
			sub(/^\n+/, "")
			print $0 "\n"
		}' >"$1/backports.sources"
	find "$list" "$parts" \( -path "$list" -o -name '*.list' \) -exec cat {} + 2>/dev/null |
		sed -nE 's/^(deb +(\[[^]]*\] +)?[^ ]+ +)bookworm +(.* )?main( .*)?$/\1bookworm-backports main/p' >"$1/backports.list"
}

# Installs the packages named, libbpf and bpftool from backports, or fails without a word. What apt has to know besides
# lies in a directory of its own: the backports source, its index, and links to all the machine has.
install_with_backports() (
	parts='' lists=''
	dir=$(mktemp -d) || exit 1
	trap 'as_root rm -rf "$dir"' EXIT
	mkdir "$dir/new" "$dir/all" "$dir/lists"
	chmod 755 "$dir" "$dir"/*
	eval "$(apt-config shell parts Dir::Etc::sourceparts/d lists Dir::State::lists/d)"
	derive_sources "$dir/new"
	[[ -s $dir/new/backports.sources || -s $dir/new/backports.list ]] || exit 1
	find "${parts%/}" -mindepth 1 -maxdepth 1 -type f -exec ln -s -t "$dir/all" {} +
	find "${lists%/}" -mindepth 1 -maxdepth 1 -type f ! -name lock ! -name '*backports*' -exec ln -s -t "$dir/lists" {} +
	cp "$dir/new"/* "$dir/all/"

	own=(-o "Dir::State::lists=$dir/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
	as_root apt-get -qq "${own[@]}" -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/new" \
		-o APT::Get::List-Cleanup=0 -o Acquire::Retries=1 -o Acquire::http::Timeout=20 update >/dev/null 2>&1
	own+=(-o "Dir::Etc::sourceparts=$dir/all")
	names=()
	for name; do
		[[ $name == libbpf-dev || $name == bpftool ]] && name+=/bookworm-backports
		names+=("$name")
	done
	apt-get -qq -s "${own[@]}" --no-install-recommends install "${names[@]}" >/dev/null 2>&1 &&
		apt_install "${own[@]}" "${names[@]}"
)

# redis-server's package asks for a start at every boot. Nobody here wants that, if it was not there before.
disable_redis() {
	[[ ! -d /run/systemd/system ]] || as_root systemctl --quiet disable redis-server >/dev/null 2>&1
}

install() {
	local -a names
	local chosen
	((EUID == 0)) || command -v sudo >/dev/null || die "run as root, or with sudo installed, to install $(sentence "$@")."
	as_root apt-get -qq update >&2 || echo "apt-get update failed; going on with the lists that are there." >&2
	chosen=$(choose "$@") || exit 1
	read -ra names <<<"${chosen//$'\n'/ }"
	echo "installing ${names[*]}" >&2
	if ! { wants_backports "${names[@]}" && install_with_backports "${names[@]}"; }; then
		apt_install "${names[@]}" || die "apt could not install $(sentence "${names[@]}")."
	fi
	[[ " ${names[*]} " != *' redis-server '* ]] || disable_redis
}

main() {
	local action=--check which=all
	local -a lacking
	[[ ${1:-} != --* ]] || { action=$1 && shift; }
	(($# == 0)) || { which=$1 && shift; }
	[[ $# == 0 && $action =~ ^--(check|install|list)$ && $which =~ ^(build|test|vm|all)$ ]] ||
		die "usage: tests/deps.sh [--check|--install|--list] [build|test|vm|all]"
	if [[ $action == --list ]]; then
		group "$which"
		return
	fi
	mapfile -t lacking < <(group "$which" | missing)
	((${#lacking[@]})) || return 0
	[[ $(command -v apt-get) && $(command -v dpkg-query) ]] ||
		die "this machine has no apt; alloctrace needs what corresponds to $(sentence "${lacking[@]}")."
	[[ $action == --install ]] || die "not installed: $(sentence "${lacking[@]}") (run make deps)."
	install "${lacking[@]}"
}

main "$@"
