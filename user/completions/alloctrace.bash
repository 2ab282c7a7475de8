# bash completion for alloctrace(8)
# shellcheck shell=bash

_alloctrace() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			# Behind "--" stands a command.
			mapfile -t COMPREPLY < <(compgen -c -f -- "$word")
			return
		fi
	done
	if [[ ${COMP_WORDS[1]} =~ ^(report|diff)$ && $COMP_CWORD -gt 1 && $previous != -* && $word != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	case $previous in
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(ps -e -o pid= 2>/dev/null)" -- "$word") ;;
	--by) mapfile -t COMPREPLY < <(compgen -W 'function size site' -- "$word") ;;
	-f | --format) mapfile -t COMPREPLY < <(compgen -W 'text json csv folded pprof chrome' -- "$word") ;;
	--as) mapfile -t COMPREPLY < <(compgen -W 'trace latency leaks hot temporary peak sizes' -- "$word") ;;
	--color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$word") ;;
	-u | --uid) mapfile -t COMPREPLY < <(compgen -u -- "$word") ;;
	--cgroup) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	-o | --output | --object | --svg | --record) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-e | --events)
		mapfile -t COMPREPLY < <(compgen -W 'malloc calloc realloc reallocarray free posix_memalign
			aligned_alloc memalign valloc pvalloc cfree mallocx rallocx xallocx dallocx sdallocx __rust_alloc
			__rust_alloc_zeroed __rust_realloc __rust_dealloc pool' -- "$word")
		;;
	-n | --comm | -d | --duration | -i | --interval | -z | --min-size | -Z | --max-size | --max-stack | --ring-size | \
		--prefix | --function | --sample-bytes | -N | --top | --from | --until | --older | --within) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W '--pid --comm --uid --cgroup --follow --duration --interval --format --output --record --embed-symbols --as --from --until --older --within --events --prefix
			--function --object --min-size --max-size --sample-bytes --by --why --top --svg --stacks --unwind --max-stack --ring-size --strict --as-root --exit-status --stop-on-error --color --json-schema --verbose --quiet
			--version --help -p -n -u -d -i -f -o -e -z -Z -N -k -v -q -V -h' -- "$word")
		[ "$COMP_CWORD" -gt 1 ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W 'trace latency compare leaks hot temporary peak sizes record report diff sites' -- "$word")
		;;
	esac
}

complete -F _alloctrace alloctrace
