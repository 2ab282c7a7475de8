// SPDX-License-Identifier: MIT
/*
 * Puts lanes together and finds each pool's counterpart. A pool by the name of malloc is malloc
 * itself, timed by the same mechanism as the pools: like with like. Only where there is none, what
 * probes have timed must do.
 */
#include "out/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MALLOC "malloc"

/* ---- lanes ---- */

static bool same_lane(const struct compare_lane *have, const struct lane *lane)
{
	return have->op == lane->key.op && have->class == lane->key.class &&
	       have->group == lane->key.group && !strcmp(have->name, lane->name);
}

static struct compare_lane *lane_for(struct comparisons *c, const struct lane *lane)
{
	struct compare_lane *new;

	for (size_t i = 0; i < c->lane_count; i++) {
		if (same_lane(&c->lanes[i], lane))
			return &c->lanes[i];
	}
	new = &c->lanes[c->lane_count++];
	*new = (struct compare_lane){.op = lane->key.op,
				     .class = lane->key.class,
				     .group = lane->key.group,
				     .unit = lane_unit(lane)};
	snprintf(new->name, sizeof(new->name), "%s", lane->name);
	return new;
}

static int add_lane(struct comparisons *c, const struct lane *lane)
{
	struct compare_lane *to = lane_for(c, lane);
	int err;

	if (lane->key.failed) {
		to->failed += lane->hist.count;
		return 0;
	}
	if (lane->key.disturbed) {
		to->disturbed += lane->hist.count;
		return 0;
	}
	err = hist_merge(&to->slices[lane->key.slice % LANE_SLICES], &lane->hist);
	return err ? err : hist_merge(&to->all, &lane->hist);
}

static int correct(struct compare_lane *lane, const struct calibration *calibration)
{
	double cost = 0, floor = 0;

	lane->known = calibration && lane->class != CALIBRATION_STEPPED &&
		      calibration->windows[lane->class].hits;
	if (lane->known) {
		cost = calibration_cost(calibration, lane->class, lane->group);
		floor = calibration_floor(calibration, lane->class, lane->group);
	}
	return verdict_lane_init(&lane->seen, lane->slices, lane->unit, cost, floor);
}

/* Operations of pools first, as they are listed; then what came first. */
static int order(const struct compare_lane *lane)
{
	return lane->op == LANE_CALL ? LANE_POOL_PAIR + 1 : (int)lane->op;
}

static void sort_lanes(struct comparisons *c)
{
	for (size_t i = 1; i < c->lane_count; i++) {
		struct compare_lane lane = c->lanes[i];
		size_t k = i;

		for (; k > 0 && order(&c->lanes[k - 1]) > order(&lane); k--)
			c->lanes[k] = c->lanes[k - 1];
		c->lanes[k] = lane;
	}
}

static int collect(struct comparisons *c, const struct report *r)
{
	int err = 0;

	c->lanes = calloc(r->lanes->count + 1, sizeof(*c->lanes));
	if (!c->lanes)
		return -ENOMEM;
	for (size_t i = 0; i < r->lanes->count && !err; i++)
		err = add_lane(c, &r->lanes->all[i]);
	for (size_t i = 0; i < c->lane_count && !err; i++)
		err = correct(&c->lanes[i], r->calibration);
	sort_lanes(c);
	return err;
}

/* ---- pairs ---- */

static bool is_malloc(const struct compare_lane *lane)
{
	return !strcmp(lane->name, MALLOC);
}

static uint64_t operations(const struct compare_lane *lane)
{
	return lane->all.count * (lane->group ? lane->group : 1);
}

/* Whether `a` says more than `b`, beside a lane of groups of `group`. */
static bool is_better(const struct compare_lane *a, const struct compare_lane *b, uint32_t group)
{
	if (!b)
		return true;
	if (a->known != b->known)
		return a->known;
	if ((a->group == group) != (b->group == group))
		return a->group == group;
	return operations(a) > operations(b);
}

static const struct compare_lane *find(const struct comparisons *c, enum lane_op op,
				       const char *name, uint32_t group)
{
	const struct compare_lane *best = NULL;

	for (size_t i = 0; i < c->lane_count; i++) {
		const struct compare_lane *lane = &c->lanes[i];

		if (lane->op == op && !strcmp(lane->name, name) && lane->all.count &&
		    is_better(lane, best, group))
			best = lane;
	}
	return best;
}

/* What was not timed in whole groups (the last one, say) stands in the table alone. */
static bool is_main_lane(const struct comparisons *c, const struct compare_lane *lane)
{
	for (size_t i = 0; i < c->lane_count; i++) {
		const struct compare_lane *other = &c->lanes[i];

		if (other != lane && other->op == lane->op && !strcmp(other->name, lane->name) &&
		    (operations(other) > operations(lane) ||
		     (operations(other) == operations(lane) && other < lane)))
			return false;
	}
	return lane->all.count;
}

static const struct compare_lane *counterpart(const struct comparisons *c,
					      const struct compare_lane *pool)
{
	const struct compare_lane *found = find(c, pool->op, MALLOC, pool->group);

	if (!found && pool->op == LANE_POOL_ALLOC)
		found = find(c, LANE_CALL, MALLOC, 0);
	if (!found && pool->op == LANE_POOL_FREE)
		found = find(c, LANE_CALL, "free", 0);
	return found;
}

static enum compare_obstacle obstacle(const struct comparison *pair)
{
	if (!pair->against)
		return COMPARE_ALONE;
	if (pair->pool->class == CALIBRATION_STEPPED || pair->against->class == CALIBRATION_STEPPED)
		return COMPARE_STEPPED;
	return pair->pool->known && pair->against->known ? COMPARE_NONE : COMPARE_UNCALIBRATED;
}

static void add_pair(struct comparisons *c, const struct compare_lane *pool)
{
	struct comparison *pair = &c->pairs[c->pair_count++];

	pair->pool = pool;
	pair->against = counterpart(c, pool);
	pair->obstacle = obstacle(pair);
	pair->alike = pair->against && compare_in_process(pair->against);
	if (!pair->obstacle)
		verdict_judge(&pair->verdict, &pool->seen, &pair->against->seen);
}

int compare_init(struct comparisons *c, const struct report *r)
{
	int err;

	*c = (struct comparisons){0};
	err = collect(c, r);
	if (err)
		return err;
	c->pairs = calloc(c->lane_count + 1, sizeof(*c->pairs));
	if (!c->pairs)
		return -ENOMEM;
	for (size_t i = 0; i < c->lane_count; i++) {
		const struct compare_lane *lane = &c->lanes[i];

		if (compare_in_process(lane) && !is_malloc(lane) && is_main_lane(c, lane))
			add_pair(c, lane);
	}
	return 0;
}

void compare_fini(struct comparisons *c)
{
	for (size_t i = 0; i < c->lane_count; i++) {
		for (size_t k = 0; k < LANE_SLICES; k++)
			hist_fini(&c->lanes[i].slices[k]);
		hist_fini(&c->lanes[i].all);
		verdict_lane_fini(&c->lanes[i].seen);
	}
	free(c->lanes);
	free(c->pairs);
	*c = (struct comparisons){0};
}
