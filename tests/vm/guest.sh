#!/bin/bash
# tests/vm/guest.sh: packs the guest into build/vm/initramfs.cpio, one archive for all kernels.
#
# It is two archives in a row, which the kernel unpacks one after the other:
#	base.cpio	a small Debian cut out of this machine's own packages, made again only when one of them changes
#	suite.cpio	/init and /alloctrace with what was built and the tests, made every time
# Uncompressed, because an emulated CPU unpacks more slowly than qemu copies.
#
# VM_TAGS=TAG takes the tests that have that tag, and no others.
# VM_SUITE=DIR puts the tests of DIR where tests/integration would be; what was built is then taken along if it is there.
set -euo pipefail

python=$(readlink -f /usr/bin/python3 || true)
python=${python##*/}

top=$(cd "$(dirname "$0")/../.." && pwd)
readonly out=$top/build/vm root=$top/build/vm/base suite=$top/build/vm/suite
readonly built=(build/alloctrace build/pool-demo build/workloads)

# One allocator that comes as a library, if it is there. Not all: what is in the loader's cache is probed in every test.
mapfile -t mimalloc < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'libmimalloc[0-9]*' 2>/dev/null |
	awk '/^ii/ && $2 !~ /dev/ { print $2; exit }')
readonly mimalloc

# Programs and libraries of these packages go in whole (see wanted_path), each with the libraries it is linked with.
# valgrind and gdb stay outside: under an emulated CPU their tests would take as long as all others together.
# libc, libgcc and libstdc++ are named for what nobody is linked with: libgcc_s is opened when a thread is cancelled.
readonly packages=(bash bats coreutils dash diffutils findutils grep gzip jq mawk procps sed tar util-linux libc-bin
	libc6 libgcc-s1 libstdc++6 sqlite3 python3-minimal "$python-minimal" "lib$python-minimal" "lib$python-stdlib" "${mimalloc[@]}")
# Of others only these files. /bin/sh must be dash: busybox's shell runs its own applets whatever PATH says.
readonly files=(/bin/busybox /bin/sh /usr/bin/awk /usr/bin/readelf /usr/bin/nm /usr/bin/objcopy /usr/bin/strip /usr/bin/script
	/etc/ld.so.conf /etc/ld.so.conf.d)

die() {
	echo "$*" >&2
	exit 1
}

# What a package's list of files is cut down to.
wanted_path() {
	grep -E '^/(usr/)?(bin|sbin|lib|lib64|libexec)/|^/usr/share/gdb/' |
		grep -vE '\.(a|o|pyc|h)$|/(systemd|gconv|audit|init|udev|pkgconfig|tmpfiles.d|sysusers.d)/|-x86-linux' |
		grep -vE '/python3[^/]*/(test|tests|idlelib|tkinter|lib2to3|distutils|pydoc_data|ensurepip|turtledemo|config-[^/]*)/'
}

# Libraries of the programs on stdin, and the loader. Scripts have none, and ldd says so on stderr.
libraries() {
	{ xargs -r -d '\n' ldd 2>/dev/null || true; } |
		awk '/=> \// { print $3 } /^[[:space:]]*\/.*\(0x/ { print $1 }' | sort -u
}

# Every path on stdin into $1: the file itself under its own name, and where the path is a link, a link.
place() {
	local dest=$1 list
	list=$(mktemp)
	sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,' | sort -u | while read -r path; do
		[[ -f $path ]] && echo "$path"
	done >"$list"
	xargs -r -d '\n' realpath <"$list" | sort -u |
		tar -C / --transform 's,^/,,' -P --hard-dereference -cf - -T - | tar -C "$dest" --no-same-owner -xf -
	paste "$list" <(xargs -r -d '\n' realpath <"$list") | awk -F '\t' '$1 != $2' | while IFS=$'\t' read -r link target; do
		mkdir -p "$dest${link%/*}"
		ln -sfn "$target" "$dest$link"
	done
	rm "$list"
}

archive() {
	(cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio --quiet -0 -o -H newc --owner=0:0) >"$2"
}

# A tool that is not in any package of the list may still be one of busybox's.
add_applets() {
	local applet name
	"$root/usr/bin/busybox" --list-full | while read -r applet; do
		name=${applet##*/}
		[[ -e $root/usr/bin/$name || -L $root/usr/bin/$name || -e $root/usr/sbin/$name ]] ||
			ln -s /usr/bin/busybox "$root/usr/bin/$name"
	done
}

make_base() {
	local dir
	rm -rf "$root"
	mkdir -p "$root"/{dev,etc,proc,sys,tmp,run,root,var/tmp,usr/{bin,sbin,lib,lib64}}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	{
		dpkg -L "${packages[@]}" | wanted_path
		find "${files[@]}" -type f -o -type l
		find /usr/lib/locale/C.utf8 -type f
	} | place "$root"
	find "$root/usr" -type f \( -perm -100 -o -name '*.so*' \) | libraries | place "$root"
	add_applets
	printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin >"$root/etc/passwd"
	printf '%s\n' root:x:0: tty:x:5: nogroup:x:65534: >"$root/etc/group"
	printf '%s\n' '127.0.0.1 localhost alloctrace-vm' '::1 localhost' >"$root/etc/hosts"
	printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >"$root/etc/nsswitch.conf"
	PATH=$PATH:/sbin:/usr/sbin ldconfig -r "$root"
	archive "$root" "$out/base.cpio"
}

# The versions of all that base is cut from, and this recipe.
base_key() {
	dpkg-query -W "${packages[@]}" binutils busybox-static libc6-dbg
	sha256sum <"$0"
}

# Leaves in the suites of $1 what has the tag VM_TAGS.
select_tests() {
	local path
	for path in "$1"/*.bats; do
		awk -v want="${VM_TAGS:-}" -v more="${VM_MORE:+kernel-too}" -f "$top/tests/vm/select.awk" "$path" >"$out/selected"
		if grep -q '^@test ' "$out/selected"; then
			cat "$out/selected" >"$path"
		else
			rm "$path"
		fi
	done
	rm -f "$out/selected"
	compgen -G "$1/*.bats" >/dev/null || die "no test has the tag '${VM_TAGS:-}'."
}

make_suite() {
	local dest=$suite/alloctrace path
	rm -rf "$suite"
	mkdir -p "$dest/build"
	cp "$top/tests/vm/init" "$suite/init"
	chmod 755 "$suite/init"
	cp -a "$top/tests" "$dest/tests"
	if [[ ${VM_SUITE:-} ]]; then
		[[ -d $VM_SUITE ]] || die "VM_SUITE: '$VM_SUITE' is not a directory."
		rm -rf "$dest/tests/integration"
		cp -a "$VM_SUITE" "$dest/tests/integration"
	fi
	select_tests "$dest/tests/integration"
	# Some tests look for lines in the sources of what they trace.
	mkdir -p "$dest/user"
	cp -a "$top/user/demo" "$dest/user/demo"
	for path in "${built[@]}"; do
		if [[ -e $top/$path ]]; then
			cp -a "$top/$path" "$dest/build/"
		elif [[ ! ${VM_SUITE:-} ]]; then
			die "$path is not there (run make first)."
		fi
	done
	find "$dest/build" -type f \( -name '*.o' -o -name '*.a' -o -name '*.d' \) -delete
	find "$dest/build" -type f -perm -100 | libraries | while read -r path; do
		[[ -e $root$path ]] || echo "$path"
	done | place "$suite"
	archive "$suite" "$out/suite.cpio"
}

main() {
	local missing key
	missing=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${packages[@]}" binutils busybox-static libc6-dbg 2>&1 |
		awk '/no packages found/ { print $NF } /^[a-z]/ && !/^dpkg-query/ && !/^ii/ { print $NF }' | paste -sd ' ')
	[[ -z $missing ]] || die "the guest cannot be built without $missing (run make deps)."
	mkdir -p "$out"
	key=$(base_key)
	if [[ ! -s $out/base.cpio || $key != "$(cat "$out/base.key" 2>/dev/null)" ]]; then
		rm -f "$out/base.key"
		make_base
		echo "$key" >"$out/base.key"
	fi
	make_suite
	cat "$out/base.cpio" "$out/suite.cpio" >"$out/initramfs.cpio"
}

main
