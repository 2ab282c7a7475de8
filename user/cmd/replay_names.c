// SPDX-License-Identifier: MIT
/* Files, mappings and names: from a recording to the symbolizer. */
#include "cmd/replay_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "sym/restore.h"

void replay_module(struct replay *p, const struct record *record)
{
	const struct record_module *m = &record->module;
	struct sym_file file = {
		.path = m->path, .build_id_size = m->build_id_size, .size = m->size};
	bool found;
	int err;

	memcpy(file.build_id, m->build_id, m->build_id_size);
	err = restore_module(p->run->symbolizer, &file, &found);
	p->err = err == -ENOMEM ? err : p->err;
	if ((err || !found) && m->size) {
		char shown[160];

		log_debug("'%s' is not the file that was mapped",
			  log_quote(shown, sizeof(shown), m->path));
		p->missing++;
	}
}

void replay_space(struct replay *p, const struct record *record)
{
	const struct record_space *space = &record->space;
	struct sym_mapping *mappings = calloc(space->count ? space->count : 1, sizeof(*mappings));

	if (!mappings) {
		p->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < space->count; i++) {
		const struct record_mapping *m = &space->mappings[i];

		mappings[i] = (struct sym_mapping){m->start, m->end, m->offset, m->module};
	}
	restore_space(p->run->symbolizer, (pid_t)space->pid, space->fresh, mappings, space->count);
	free(mappings);
}

void replay_code(struct replay *p, const struct record *record)
{
	const struct record_code *c = &record->code;

	restore_code(p->run->symbolizer, (pid_t)c->pid, c->anew, c->bytes, c->size);
}

void replay_names(struct replay *p, const struct record *record)
{
	const struct record_names *n = &record->names;
	struct sym_frame *frames = calloc(n->count, sizeof(*frames));
	struct sym_address at = {n->address, n->is_return};

	if (!frames) {
		p->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < n->count; i++) {
		const struct record_frame *f = &n->frames[i];

		frames[i] = (struct sym_frame){.function = f->function,
					       .file = f->file,
					       .line = f->line,
					       .column = f->column,
					       .offset = f->offset,
					       .module_offset = f->module_offset,
					       .inlined = f->inlined};
	}
	restore_names(p->run->symbolizer, n->module, &at, frames, n->count);
	free(frames);
}
