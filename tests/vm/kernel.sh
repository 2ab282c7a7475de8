#!/bin/bash
# tests/vm/kernel.sh KERNEL DIR: puts the newest Debian cloud kernel of the series KERNEL (6.1, 6.12) into DIR/vmlinuz.
#
# The package is downloaded and opened, never installed: the machine's /boot and its boot loader stay as they are. Only
# the kernel image is kept, for all that the suite asks of it (BPF, uprobes, loopback, serial ports, tmpfs) is built in.
# A kernel that is already there is used as it is; remove DIR to get a newer one.
set -euo pipefail

die() {
	echo "$*" >&2
	exit 1
}

# The real package behind the meta package. "linux-image-cloud-amd64" is whatever series the release ships by default,
# so what it points at decides, not its name.
package_of() {
	local series=$1 meta
	for meta in "linux-image-$series-cloud-amd64" linux-image-cloud-amd64; do
		apt-cache depends "$meta" 2>/dev/null
	done | awk -v want="linux-image-$series." '$1 == "Depends:" && index($2, want) == 1 { print $2; exit }'
}

main() {
	local series=$1 dir=$2 package deb
	local -a apt=(apt-get -qq)

	[[ -s $dir/vmlinuz ]] && return 0
	[[ $series =~ ^[0-9]+\.[0-9]+$ ]] || die "'$series' is not a kernel series, such as 6.1 or 6.12."
	[[ $(command -v apt-get) && $(command -v dpkg-deb) ]] ||
		die "cannot get kernel $series: this machine has no apt; put an image at $dir/vmlinuz by hand."
	package=$(package_of "$series")
	[[ $package ]] || die "cannot get kernel $series: apt knows no Debian cloud kernel of that series (is 'apt-get update' due?)."

	# root's apt would drop to a user who cannot write here, and say so at length.
	((EUID)) || apt+=(-o APT::Sandbox::User=root)
	mkdir -p "$dir/package"
	(cd "$dir/package" && "${apt[@]}" download "$package") || die "cannot get kernel $series: apt could not download $package."
	deb=$(find "$dir/package" -name "${package}_*.deb" -print -quit)
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$dir/package" --wildcards -xf - './boot/vmlinuz-*' ||
		die "cannot get kernel $series: $package holds no /boot/vmlinuz."
	mv "$dir/package/boot"/vmlinuz-* "$dir/vmlinuz"
	rm -r "$dir/package"
}

(($# == 2)) || die "usage: kernel.sh KERNEL DIR"
main "$@"
