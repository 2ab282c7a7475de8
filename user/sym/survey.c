// SPDX-License-Identifier: MIT
/*
 * Hides nothing: what is known of live processes, in the words of a recording. A build-id was read
 * when its file was first seen, by the helper process, and is not asked for again.
 */
#include <string.h>

#include "sym/module.h"
#include "sym/restore.h"
#include "sym/state.h"

const struct space *survey_space(struct symbolizer *s, pid_t pid, uint64_t *serial)
{
	const struct process *p = processes_find(&s->processes, pid);

	*serial = p ? p->serial : 0;
	return p ? &p->space : NULL;
}

void survey_file(const struct module *m, struct sym_file *file)
{
	const unsigned char *build_id;
	size_t size = module_build_id(m, &build_id);

	*file = (struct sym_file){.path = module_path(m)};
	file->build_id_size = size < SYM_MAX_BUILD_ID ? size : SYM_MAX_BUILD_ID;
	memcpy(file->build_id, build_id, file->build_id_size);
	if (file->path[0] == '/')
		file->size = module_size(m);
}

bool survey_locate(struct symbolizer *s, pid_t pid, uint64_t word, uint32_t *module,
		   struct sym_address *at)
{
	const struct process *p = processes_find(&s->processes, pid);

	return p && resolver_locate(p, word, module, at);
}

void survey_on_code(struct symbolizer *s, survey_code_fn fn, void *context)
{
	s->perfmaps.tell = fn;
	s->perfmaps.tell_context = context;
}
