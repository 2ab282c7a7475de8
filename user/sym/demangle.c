/*
 * Hides the demangler: libiberty's, since it knows C++ and both manglings of Rust. Names are asked
 * for without parameters: in a trace the overload is told by the line beside it, and a parameter
 * list of templates would fill the screen.
 */
#include "sym/demangle.h"

#include <stddef.h>
#include <string.h>
#include <libiberty/demangle.h>

static int starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

char *demangle_symbol(const char *symbol)
{
	/* Only what is surely mangled: the automatic mode would try any C name as well. */
	if (!starts_with(symbol, "_Z") && !starts_with(symbol, "_R") &&
	    !starts_with(symbol, "_GLOBAL_"))
		return NULL;
	return cplus_demangle(symbol, DMGL_AUTO);
}
