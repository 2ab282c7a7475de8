#!/usr/bin/env bash
# Who may know whom (README, "How it works"): an include that climbs is an error. Also: the skeleton is known to
# session.c alone, the wire to core/event.c alone on this side, and every header compiles by itself.
set -uo pipefail

bad=0
complain() {
	echo "layers: $*" >&2
	bad=1
}

# may ROOM ROOM…: the first may include only itself and the rest.
may() {
	local room=$1 file included
	local allowed=" $* "
	while IFS=: read -r file included; do
		case $allowed in
		*" $included "*) ;;
		*) complain "$file includes $included/: $room may include only$allowed" ;;
		esac
	done < <(grep -Eno '^#include "(cmd|probe|out|recording|sym|guard|core)/' "user/$room"/*.[ch] | sed -E 's/:[0-9]+:#include "([a-z]+)\/.*/:\1/')
}

may core
may guard core
may recording core
may sym guard core
may probe sym guard core
may out sym core
may cmd probe out recording sym guard core

while read -r file; do
	[ "$file" = user/probe/session.c ] || complain "$file includes the skeleton, which is session.c's alone"
done < <(grep -l 'alloctrace\.skel\.h' -r user)
while read -r file; do
	[ "$file" = user/core/event.c ] || complain "$file includes the wire, which is core/event.c's alone"
done < <(grep -l '"bpf/event\.h"' -r user)
while read -r header; do
	gcc -std=gnu11 -D_GNU_SOURCE -Iuser -Iuser/include -I. -fsyntax-only -Wall -Wextra -x c "$header" ||
		complain "$header does not compile by itself"
done < <(git ls-files 'user/*.h' 'user/**/*.h' bpf/event.h)
exit "$bad"
