#include "sym/strings.h"

#include <stdint.h>
#include <string.h>

static bool strings_hold(const struct strings *s, const char *name)
{
	return (uintptr_t)name >= (uintptr_t)s->start && (uintptr_t)name < (uintptr_t)s->end;
}

bool strings_end(struct strings *s, Elf *elf, strings_section_fn has_names, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;

	while (!strings_hold(s, name) && (section = elf_nextscn(elf, section))) {
		const Elf_Data *data = NULL;

		if (gelf_getshdr(section, &shdr) && has_names(elf, &shdr))
			data = elf_rawdata(section, NULL);
		if (data && data->d_buf)
			*s = (struct strings){data->d_buf,
					      (const char *)data->d_buf + data->d_size};
	}
	return strings_hold(s, name) && memchr(name, '\0', (size_t)(s->end - name));
}

/* NULL: it is none of the debug information's. */
static const char *debug_section(Elf *elf, const GElf_Shdr *shdr)
{
	const char *name;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	name = elf_strptr(elf, names, shdr->sh_name);
	return name && (!strncmp(name, ".debug_", 7) || !strncmp(name, ".zdebug_", 8)) ? name
										       : NULL;
}

bool strings_of_debug(Elf *elf, const GElf_Shdr *shdr)
{
	return debug_section(elf, shdr);
}

/* .debug_str, .debug_line_str, compressed or of a split unit; not .debug_str_offsets. */
static bool is_table_of_names(Elf *elf, const GElf_Shdr *shdr)
{
	const char *name = debug_section(elf, shdr);

	return name && strstr(name, "_str") && !strstr(name, "_str_");
}

bool strings_open_table(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;

	while ((section = elf_nextscn(elf, section))) {
		const Elf_Data *data = NULL;

		if (gelf_getshdr(section, &shdr) && is_table_of_names(elf, &shdr))
			data = elf_rawdata(section, NULL);
		if (data && data->d_buf && data->d_size &&
		    ((const char *)data->d_buf)[data->d_size - 1])
			return true;
	}
	return false;
}
