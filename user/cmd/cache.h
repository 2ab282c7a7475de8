/* SPDX-License-Identifier: MIT */
/*
 * Where on disk is kept what serves later runs: a directory of that name in
 *
 *	$XDG_CACHE_HOME/alloctrace/     or, where that is not set,
 *	$HOME/.cache/alloctrace/        or, for root, where neither is root's own,
 *	/var/cache/alloctrace/
 *
 * so that under sudo nothing is written among the user's files, and nothing of them believed.
 */
#ifndef ALLOCTRACE_CMD_CACHE_H
#define ALLOCTRACE_CMD_CACHE_H

/*
 * A descriptor of the directory, which is made if need be, and is the caller's to close. -1: there
 * is none that is ours alone. To be called before privileges are given up.
 */
int cache_open_dir(const char *name);

#endif
