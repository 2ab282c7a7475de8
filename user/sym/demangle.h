/* From the names compilers give to linkers back to the names people wrote. */
#ifndef ALLOCTRACE_SYM_DEMANGLE_H
#define ALLOCTRACE_SYM_DEMANGLE_H

/*
 * The readable form of a C++ or Rust symbol, without parameters, return type and Rust's hash:
 *
 *	_ZN2ns5Class6methodEi.cold                  -> ns::Class::method
 *	_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE -> core::fmt::Write::write_fmt
 *	_RNvCs1234_7mycrate3foo                     -> mycrate::foo
 *
 * NULL when `symbol` is no such name (a C name needs no change) or memory is out. The caller
 * frees the result.
 */
char *demangle_symbol(const char *symbol);

#endif
