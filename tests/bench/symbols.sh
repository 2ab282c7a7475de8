#!/usr/bin/env bash
# How fast and how well addresses get their names: alloctrace's own way, through its helper process (symbols.c), beside
# addr2line and eu-addr2line on the same addresses.
#
#	tests/bench/symbols.sh [FILE…]      (make bench-symbols; without files: cc1, libc and a large C++ program)
#
# A line for each tool: milliseconds on the clock and of CPU time, the most memory it had (of alloctrace: both processes),
# and at how many addresses its answer is another than alloctrace's, by functions and by lines. ADDRESSES=10000 of them,
# at random in functions that have symbols, the same in every run; TOGETHER=1000 asked for at once.
# EU_ADDRESSES=500: so many of them eu-addr2line gets, which takes ten milliseconds for each. KEEP=dir: where the
# addresses with other answers are left, ours first.
# shellcheck disable=SC2016 # awk's own dollars
set -uo pipefail

readonly symbols=${BUILD:-build}/bench/symbols addresses=${ADDRESSES:-10000} together=${TOGETHER:-1000}
readonly units=${UNITS:-4}
work=$(mktemp -d) || exit
readonly work
trap 'rm -rf "$work"' EXIT

die() {
	echo "$*" >&2
	exit 1
}

# Units of templates over the containers, the regular expressions and lambdas of the library: inlined many calls deep.
write_unit() {
	cat <<-'END'
		#include <algorithm>
		#include <functional>
		#include <map>
		#include <regex>
		#include <set>
		#include <sstream>
		#include <string>
		#include <unordered_map>
		#include <vector>
		#define JOIN_(a, b) a##b
		#define JOIN(a, b) JOIN_(a, b)
		namespace JOIN(part, UNIT) {
		template <int N> struct words {
			std::map<std::string, std::vector<int>> found;
			std::unordered_map<int, std::set<std::string>> seen;
			int run(const std::string &s) {
				std::regex pattern(s + std::to_string(N));
				std::vector<std::function<int(int)>> makers;
				std::ostringstream out;
				for (std::sregex_iterator it(s.begin(), s.end(), pattern), end; it != end; ++it)
					found[it->str()].push_back(N);
				for (int i = 0; i < N; i++)
					makers.push_back([i, &s](int k) { return k * i + (int)s.size(); });
				std::sort(makers.begin(), makers.end(), [](auto &a, auto &b) { return a(N) < b(N); });
				for (auto &maker : makers)
					out << maker(N), seen[N].insert(out.str());
				return (int)(found.size() + seen.size());
			}
		};
		}
		int JOIN(run, UNIT)(const std::string &s) {
			using namespace JOIN(part, UNIT);
			return words<UNIT * 100>().run(s) + words<UNIT * 100 + 1>().run(s) + words<UNIT * 100 + 2>().run(s) +
			       words<UNIT * 100 + 3>().run(s) + words<UNIT * 100 + 4>().run(s);
		}
	END
}

write_main() {
	local i
	echo '#include <string>'
	for ((i = 0; i < units; i++)); do echo "int run$i(const std::string &);"; done
	echo 'int main(int, char **argv) { int n = 0;'
	for ((i = 0; i < units; i++)); do echo "n += run$i(argv[0]);"; done
	echo 'return n; }'
}

make_program() {
	local i
	write_unit >"$work/unit.cc"
	write_main >"$work/main.cc"
	for ((i = 0; i < units; i++)); do
		c++ -std=c++17 -O2 -g "-DUNIT=$i" -c -o "$work/unit$i.o" "$work/unit.cc" || return
	done
	c++ -O2 -g -o "$work/program" "$work/main.cc" "$work"/unit?.o
}

# As many addresses as asked for, the same in every run, from the symbols of functions that have a size.
pick() {
	{
		nm --defined-only -S "$1" 2>/dev/null
		nm -D --defined-only -S "$1" 2>/dev/null
	} | awk 'NF == 4 && $3 ~ /[TtWwi]/ {print $1, $2}' | sort -u -k 1,1 | awk -v n="$addresses" '
		function number(s, i, v) {
			for (i = 1; i <= length(s); i++)
				v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return v
		}
		BEGIN {srand(7)}
		{start[NR] = number($1); size[NR] = number($2)}
		END {
			for (i = 0; i < n && NR; i++) {
				k = 1 + int(rand() * NR)
				printf "0x%x\n", start[k] + int(rand() * size[k])
			}
		}'
}

# One line an address: the address, the functions, the lines; without folders, in which the tools differ where the compiler
# has left a path relative, and without what only one of them tells.
flatten() {
	c++filt -p -i | sed -E 's/ \(discriminator [0-9]+\)$//; s/ inlined at .*//' | awk '
		function flush() {if (address) print address "\t" functions "\t" lines}
		/^0x[0-9a-f]+$/ {flush(); address = $0; functions = lines = ""; frame = 0; next}
		frame++ % 2 == 0 {functions = functions $0 ";"; next}
		{sub(/.*\//, ""); sub(/:\?$/, ":0"); if (/:[0-9]+:[0-9]+$/) sub(/:[0-9]+$/, ""); sub(/^\?\?:.*/, "?"); lines = lines $0 ";"}
		END {flush()}'
}

# How many of the answers in $1 have other functions, and how many other lines, than those in $2.
differing() {
	paste "$1" "$2" | awk -F '\t' '$2 != $5 {functions++} $3 != $6 {lines++} END {print functions + 0, lines + 0}'
}

# ours NAME FILE DIR: one run, whose line is told.
ours() {
	local ms own helper kept cpu
	"$symbols" "$2" "$together" "$3" <"$work/addresses" >"$work/ours" 2>"$work/said" || die "symbols failed on $2"
	read -r _ ms _ cpu _ own _ helper _ kept <"$work/said"
	printf '%-24s %10.0f %10.0f %8.1f    %s\n' "$1" "$ms" "$cpu" "$(awk "BEGIN {print $own + $helper}")" "$kept answers of earlier runs"
}

# theirs TOOL FILE N: of the first N addresses one run for the time it takes, and one for the names as they are in the file.
theirs() {
	local tool=$1 file=$2 n=$3 TIMEFORMAT='%R %U %S' real user sys functions lines
	command -v "$tool" >/dev/null || return 0
	head -n "$n" "$work/addresses" >"$work/some"
	n=$(wc -l <"$work/some")
	{ time "$tool" -a -f -i -C -e "$file" <"$work/some" >"$work/readable" 2>/dev/null; } 2>"$work/times"
	read -r real user sys <"$work/times"
	"$tool" -a -f -i -e "$file" <"$work/some" 2>/dev/null | flatten >"$work/theirs.flat"
	read -r functions lines < <(differing <(head -n "$n" "$work/ours.flat") "$work/theirs.flat")
	printf '%-24s %10.0f %10.0f %8s    of %d: %d functions and %d lines differ\n' "$tool" "$(awk "BEGIN {print $real * 1000}")" \
		"$(awk "BEGIN {print ($user + $sys) * 1000}")" - "$n" "$functions" "$lines"
	[ -z "${KEEP:-}" ] || paste <(head -n "$n" "$work/ours.flat") "$work/theirs.flat" | awk -F '\t' '$2 != $5 || $3 != $6' >"$KEEP/$tool.${file##*/}"
}

measure() {
	pick "$1" >"$work/addresses"
	[ -s "$work/addresses" ] || die "$1 has no symbols of functions"
	mkdir -p "$work/kept"
	rm -f "$work/kept"/*
	printf '\n%s, %d addresses\n%-24s %10s %10s %8s\n' "$1" "$(wc -l <"$work/addresses")" '' ms 'CPU ms' MB
	ours alloctrace "$1" "$work/kept"
	ours 'alloctrace, second run' "$1" "$work/kept"
	flatten <"$work/ours" >"$work/ours.flat"
	theirs addr2line "$1" "$addresses"
	theirs eu-addr2line "$1" "${EU_ADDRESSES:-500}"
}

[ -x "$symbols" ] || die "$symbols is not built (make bench-symbols)"
if [ $# -eq 0 ]; then
	make_program || die 'cannot build the C++ program'
	# What has just been changed is not kept.
	sleep 2.1
	set -- "$(gcc -print-prog-name=cc1)" "$(realpath /lib/"$(uname -m)"-linux-gnu/libc.so.6)" "$work/program"
fi
for file; do measure "$(realpath "$file")"; done
