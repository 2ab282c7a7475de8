// SPDX-License-Identifier: MIT
/* Why calls were slow, as JSON: one line for each call site, the one that took most time first. */
#include "core/log.h"
#include "out/latency_json.h"
#include "out/why.h"

static json_t *cause(const struct why_cause *c)
{
	const struct latency_figures *f = &c->values;
	json_t *o = json_object(), *corrected;

	json_object_set_new(o, "cause", json_string(lane_cause_name(c->cause)));
	json_object_set_new(o, "count", json_count(c->hist.count));
	json_object_set_new(o, "sum_ns", json_count(c->hist.sum));
	json_object_set_new(o, "p50", latency_json_number(f, f->raw[LATENCY_P50]));
	json_object_set_new(o, "max", latency_json_number(f, f->raw[LATENCY_MAX]));
	if (f->calibrated) {
		corrected = json_object();
		json_object_set_new(corrected, "p50",
				    latency_json_number(f, f->corrected[LATENCY_P50]));
		json_object_set_new(corrected, "max",
				    latency_json_number(f, f->corrected[LATENCY_MAX]));
		json_object_set_new(o, "corrected", corrected);
	}
	json_object_set_new(o, "times", json_count(c->times[c->cause]));
	json_object_set_new(o, "inside_ns", json_count(c->inside_ns[c->cause]));
	json_object_set_new(o, "tail_count", json_count(c->tail));
	return o;
}

static json_t *causes(const struct why *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		if (w->causes[i].hist.count)
			json_array_append_new(list, cause(&w->causes[i]));
	}
	return list;
}

static void write_site(struct sink *s, const struct report *r, const struct latency_row *row)
{
	struct why w;
	json_t *o;

	if (why_init(&w, row, r)) {
		log_error("no memory for the causes of a row");
	} else {
		o = json_object();
		json_object_set_new(o, "type", json_string("why"));
		latency_json_set_row(o, s, row);
		json_object_set_new(o, "count", json_count(w.count));
		json_object_set_new(o, "causes", causes(&w));
		json_object_set_new(o, "tail_ns",
				    latency_json_number(&w.values, w.values.raw[LATENCY_P99]));
		latency_json_set_floor(o, &w.values);
		json_object_set_new(o, "final", json_boolean(r->final));
		json_line(s->out, o);
	}
	why_fini(&w);
}

void why_json(struct sink *s, const struct report *r)
{
	struct latency_rows rows;
	size_t shown;

	if (why_rows_init(&rows, s, r, LANE_BY_SITE)) {
		log_error("no memory for the rows of the report");
		return;
	}
	shown = latency_rows_shown(&rows, s->info);
	for (size_t i = 0; i < shown; i++)
		write_site(s, r, &rows.all[i]);
	latency_json_left_out(s, r, &rows, shown, "why");
	latency_rows_fini(&rows);
}
