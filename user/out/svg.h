/* SPDX-License-Identifier: MIT */
/*
 * The picture of `compare --svg`: the histograms of each pool and malloc on one axis, with the
 * verdict below; SVG 1.1 without scripts, fonts or links, on a ground of its own, so that it can be
 * read in light and in dark surroundings.
 */
#ifndef ALLOCTRACE_OUT_SVG_H
#define ALLOCTRACE_OUT_SVG_H

#include <stdio.h>

#include "out/sink.h"

/* Writes the whole picture; where there is nothing to compare, it says so. 0 or -ENOMEM; whether
 * it could be written is for the caller to see: ferror(out). */
int compare_svg_write(FILE *out, const struct report *r);

#endif
