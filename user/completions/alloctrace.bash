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
	case $previous in
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(ps -e -o pid= 2>/dev/null)" -- "$word") ;;
	--by) mapfile -t COMPREPLY < <(compgen -W 'function size site' -- "$word") ;;
	-f | --format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word") ;;
	-u | --uid) mapfile -t COMPREPLY < <(compgen -u -- "$word") ;;
	--cgroup) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	-o | --output | --object | --svg) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	-e | --events)
		mapfile -t COMPREPLY < <(compgen -W 'malloc calloc realloc reallocarray free posix_memalign
			aligned_alloc memalign valloc pvalloc cfree mallocx rallocx xallocx dallocx sdallocx __rust_alloc
			__rust_alloc_zeroed __rust_realloc __rust_dealloc pool' -- "$word")
		;;
	-n | --comm | -d | --duration | -i | --interval | -z | --min-size | -Z | --max-size | --max-stack | --ring-size | \
		--prefix | --function | --sample-bytes | -N | --top) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W '--pid --comm --uid --cgroup --follow --duration --interval --format --output --events --prefix
			--function --object --min-size --max-size --sample-bytes --by --why --top --svg --stacks --unwind --max-stack --ring-size --strict --as-root --exit-status --stop-on-error --verbose --quiet
			--version --help -p -n -u -d -i -f -o -e -z -Z -N -k -v -q -V -h' -- "$word")
		[ "$COMP_CWORD" -gt 1 ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W 'trace latency compare sites' -- "$word")
		;;
	esac
}

complete -F _alloctrace alloctrace
