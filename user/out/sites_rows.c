// SPDX-License-Identifier: MIT
/* Which sites a report lists, and in which order. What is equal in figures goes by its names, so
 * that neither addresses nor the order of a hash table show. */
#include "out/sites.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"

/* What a report sorts by: the second where the first is equal. All zero: the site is not in it. */
struct rank {
	uint64_t first, second;
};

typedef struct rank (*rank_fn)(const struct site_row *row);

static struct rank rank_counts(struct profile_counts counts)
{
	return (struct rank){counts.bytes, counts.blocks};
}

static struct rank rank_leaks(const struct site_row *row)
{
	return rank_counts(row->leak.old);
}

static struct rank rank_hot(const struct site_row *row)
{
	return (struct rank){row->counts->allocated.blocks + row->counts->failed,
			     row->counts->allocated.bytes};
}

static struct rank rank_temporary(const struct site_row *row)
{
	return (struct rank){row->counts->temporary, 0};
}

static struct rank rank_peak(const struct site_row *row)
{
	return rank_counts(row->at_peak);
}

static rank_fn rank_of(const char *report)
{
	static const struct {
		const char *name;
		rank_fn rank;
	} ranks[] = {
		{"leaks", rank_leaks},
		{"hot", rank_hot},
		{"temporary", rank_temporary},
		{"peak", rank_peak},
	};

	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		if (!strcmp(ranks[i].name, report))
			return ranks[i].rank;
	}
	return NULL;
}

struct order {
	const struct tree *tree;
	rank_fn rank;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_pools(const struct site_row *a, const struct site_row *b)
{
	if (!a->pool || !b->pool)
		return (a->pool != NULL) - (b->pool != NULL);
	return strcmp(a->pool, b->pool);
}

static int compare_rows(const void *left, const void *right, void *context)
{
	const struct site_row *a = left, *b = right;
	const struct order *by = context;
	struct rank of_a = by->rank(a), of_b = by->rank(b);
	int order = compare_pools(a, b);

	order = order ? order : compare_numbers(of_b.first, of_a.first);
	order = order ? order : compare_numbers(of_b.second, of_a.second);
	order = order ? order : tree_compare(by->tree, a->place->node, b->place->node);
	return order ? order : compare_numbers(a->site, b->site);
}

static void fill_row(struct site_row *row, const struct sites *all, const struct heap *heap,
		     uint32_t site, const struct profile_leak *leaks)
{
	const struct site_place *place = &all->places[site];

	*row = (struct site_row){
		.site = site,
		.counts = &all->profile.sites[site],
		.place = place,
		.pool = place->pool ? heap->pool_rows[place->pool - 1].name : NULL,
		.at_peak = profile_at_peak(&all->profile, &all->profile.sites[site]),
	};
	if (leaks)
		row->leak = leaks[site];
}

struct site_row *sites_rows(const struct sites *all, const struct sink *s, const struct report *r,
			    const char *report, size_t *count)
{
	struct order by = {&all->tree, rank_of(report)};
	size_t most = all->count < all->profile.count ? all->count : all->profile.count;
	struct profile_leak *leaks = NULL;
	struct site_row *rows = NULL;

	*count = 0;
	if (!most || !by.rank)
		return NULL;
	rows = calloc(most, sizeof(rows[0]));
	if (by.rank == rank_leaks)
		leaks = profile_leaks(&all->profile, s->info->start_ns + r->elapsed_ns);
	if (!rows || (by.rank == rank_leaks && !leaks)) {
		*count = most;
		goto out;
	}
	for (uint32_t i = 0; i < most; i++) {
		struct rank rank;

		fill_row(&rows[*count], all, r->heap, i, leaks);
		rank = by.rank(&rows[*count]);
		*count += rank.first || rank.second;
	}
	if (*count) {
		qsort_r(rows, *count, sizeof(rows[0]), compare_rows, &by);
		free(leaks);
		return rows;
	}
out:
	free(leaks);
	free(rows);
	return NULL;
}

uint64_t site_row_age(const struct site_row *row, const struct sink *s, const struct report *r)
{
	uint64_t now_ns = s->info->start_ns + r->elapsed_ns;

	return row->leak.oldest_ns < now_ns ? now_ns - row->leak.oldest_ns : 0;
}

struct site_row *sites_list(const struct sites *all, const struct sink *s, const struct report *r,
			    size_t *count)
{
	struct site_row *rows = sites_rows(all, s, r, s->ops->command, count);

	if (!rows && *count) {
		log_error("no memory for the rows of the report");
		*count = 0;
	}
	return rows;
}
