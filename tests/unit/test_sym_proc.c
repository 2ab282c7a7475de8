/* The reader of /proc, and the small parts of the symbolizer that stand alone. Needs no root. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/demangle.h"
#include "sym/proc.h"
#include "sym/ranges.h"
#include "mangled.h"

/* ---- lines of maps ---- */

static int parse(const char *text, struct proc_mapping *m)
{
	static char line[16384];

	snprintf(line, sizeof(line), "%s", text);
	return proc_parse_mapping(line, m);
}

static void test_mapping_line(void **state)
{
	struct proc_mapping m;

	(void)state;
	assert_int_equal(parse("7f01a000-7f01c000 r-xp 00026000 08:1f 131   /usr/lib/a b.so\n", &m),
			 0);
	assert_int_equal(m.start, 0x7f01a000);
	assert_int_equal(m.end, 0x7f01c000);
	assert_int_equal(m.offset, 0x26000);
	assert_int_equal(m.dev_major, 8);
	assert_int_equal(m.dev_minor, 0x1f);
	assert_int_equal(m.inode, 131);
	assert_true(m.executable);
	assert_false(m.deleted);
	assert_string_equal(m.path, "/usr/lib/a b.so");

	assert_int_equal(parse("1000-2000 rw-s 0 00:00 0", &m), 0);
	assert_string_equal(m.path, "");
	assert_false(m.executable);
	assert_int_equal(parse("1000-2000 rw-p 0 00:00 0 \n", &m), 0);
	assert_string_equal(m.path, "");
	assert_int_equal(parse("ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]", &m),
			 0);
	assert_string_equal(m.path, "[vsyscall]");
}

static void test_mapping_path(void **state)
{
	struct proc_mapping m;

	(void)state;
	assert_int_equal(parse("1-2 r-xp 0 8:1 5 /tmp/a\\012b (deleted)\n", &m), 0);
	assert_string_equal(m.path, "/tmp/a\nb");
	assert_true(m.deleted);
	/* The kernel escapes nothing but the newline: this name has a backslash. */
	assert_int_equal(parse("1-2 r-xp 0 8:1 5 /tmp/a\\040b\n", &m), 0);
	assert_string_equal(m.path, "/tmp/a\\040b");
	assert_int_equal(parse("1-2 r-xp 0 8:1 5 /tmp/a (deleted) (deleted)\n", &m), 0);
	assert_string_equal(m.path, "/tmp/a (deleted)");
}

static void test_mapping_hostile(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		" ",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 ",
		"1000-2000 r",
		"1000-2000 r-x",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 8",
		"1000-2000 r-xp 0 8:1",
		"1000-2000 r-xp 0 8:1 ",
		"1000-2000 r-xp 0 8:1 x",
		"1000-2000 r-xp 0 8:1 5x /a",
		"1000-2000 r-xp 0 8:1 -5 /a",
		"1000-2000 r-xp 0 8:100000000 5 /a",
		"1000-2000 r-xp 0 100000000:1 5 /a",
		"1000-2000 abcd 0 8:1 5 /a",
		"2000-1000 r-xp 0 8:1 5 /a",
		"1000-1000 r-xp 0 8:1 5 /a",
		"0x1000-2000 r-xp 0 8:1 5 /a",
		"+1000-2000 r-xp 0 8:1 5 /a",
		"1000-10000000000000000 r-xp 0 8:1 5 /a",
		"1000-2000 r-xp 0 8:1 18446744073709551616 /a",
		"-",
		"--------",
	};
	struct proc_mapping m;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], &m), -EINVAL);
}

/* ---- processes ---- */

static int count_process(pid_t pid, void *ctx)
{
	*(int *)ctx += pid == getpid();
	return 0;
}

static int stop_at_once(const struct proc_mapping *m, void *ctx)
{
	(void)m;
	++*(int *)ctx;
	return 42;
}

static void test_processes(void **state)
{
	char comm[64];
	int count = 0;

	(void)state;
	assert_true(proc_exists(getpid()));
	assert_false(proc_exists(0));
	assert_false(proc_exists(-1));
	assert_false(proc_is_kernel_thread(getpid()));
	assert_false(proc_is_thread(getpid()));
	assert_int_equal(proc_comm(getpid(), comm, sizeof(comm)), 0);
	assert_true(comm[0]);
	assert_null(strchr(comm, '\n'));
	assert_int_equal(proc_comm(INT32_MAX, comm, sizeof(comm)), -ESRCH);
	assert_int_equal(proc_each_process(count_process, &count), 0);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(proc_each_mapping(getpid(), stop_at_once, &count), 42);
	assert_int_equal(count, 1);
	assert_int_equal(proc_each_mapping(INT32_MAX, stop_at_once, &count), -ESRCH);
}

/* ---- ranges and names ---- */

static void test_ranges(void **state)
{
	struct ranges r = {0};

	(void)state;
	assert_null(ranges_find(&r, 5));
	assert_int_equal(ranges_add(&r, 10, 100, 1), 0);
	assert_int_equal(ranges_add(&r, 20, 30, 2), 0);
	assert_int_equal(ranges_add(&r, 40, 40, 3), 0);
	assert_int_equal(ranges_add(&r, 200, 300, 4), 0);
	ranges_seal(&r);
	assert_null(ranges_find(&r, 9));
	assert_int_equal(ranges_find(&r, 10)->value, 1);
	assert_int_equal(ranges_find(&r, 29)->value, 2);
	assert_int_equal(ranges_find(&r, 30)->value, 1);
	assert_int_equal(ranges_find(&r, 99)->value, 1);
	assert_null(ranges_find(&r, 100));
	assert_null(ranges_find(&r, UINT64_MAX));
	ranges_fini(&r);
}

static void check_demangled(const char *symbol, const char *expected)
{
	char *name = demangle_symbol(symbol);

	if (expected)
		assert_string_equal(name, expected);
	else
		assert_null(name);
	free(name);
}

static void test_demangle(void **state)
{
	(void)state;
	check_demangled("malloc", NULL);
	check_demangled("", NULL);
	check_demangled("_Z", NULL);
	check_demangled("_Z1", NULL);
	check_demangled("_Znwm", "operator new");
	check_demangled("_ZN2ns5Class6methodEi", "ns::Class::method");
	check_demangled("_ZN2ns5Class6methodEi.cold", "ns::Class::method");
	check_demangled("_Z3maxIiET_S0_S0_", "max<int>");
	check_demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			"core::fmt::Write::write_fmt");
	check_demangled("_RNvCs1234_7mycrate3foo", "mycrate::foo");
}

static void test_demangle_real(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mangled) / sizeof(mangled[0]); i++)
		check_demangled(mangled[i].symbol, mangled[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping_line),    cmocka_unit_test(test_mapping_path),
		cmocka_unit_test(test_mapping_hostile), cmocka_unit_test(test_processes),
		cmocka_unit_test(test_ranges),          cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_demangle_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
