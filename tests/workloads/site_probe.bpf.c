// SPDX-License-Identifier: MIT
/*
 * What a probe sees at a site: one row a function, by cookie. site_calls says in its own memory
 * which function it is calling; the calls that functions make of each other are left out by that.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "site_row.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile unsigned long long active_at; /* of the number of the function being called */
const volatile unsigned long long caller_low, caller_high; /* where site_calls calls from */

struct site_row rows[SITE_FUNCTIONS];

static struct site_row *row_of(void *ctx)
{
	unsigned long long cookie = bpf_get_attach_cookie(ctx);
	unsigned int active = 0;

	if (bpf_probe_read_user(&active, sizeof(active), (const void *)active_at))
		return NULL;
	return active == cookie && cookie < SITE_FUNCTIONS ? &rows[cookie] : NULL;
}

static bool is_direct(const struct pt_regs *ctx)
{
	unsigned long long from = 0;

	bpf_probe_read_user(&from, sizeof(from), (const void *)PT_REGS_SP(ctx));
	return from >= caller_low && from < caller_high;
}

static void add(unsigned long long *sum, unsigned long long value)
{
	*sum = *sum * SITE_MIX + value;
}

SEC("uprobe")
int at_site(struct pt_regs *ctx)
{
	struct site_row *row = row_of(ctx);

	if (!row)
		return 0;
	row->calls++;
	if (!is_direct(ctx))
		return 0;
	row->direct++;
	add(&row->arguments[0], PT_REGS_PARM1(ctx));
	add(&row->arguments[1], PT_REGS_PARM2(ctx));
	add(&row->arguments[2], PT_REGS_PARM3(ctx));
	add(&row->arguments[3], PT_REGS_PARM4(ctx));
	add(&row->arguments[4], PT_REGS_PARM5(ctx));
	add(&row->arguments[5], ctx->r9);
	return 0;
}

SEC("uretprobe")
int at_return(struct pt_regs *ctx)
{
	struct site_row *row = row_of(ctx);

	if (!row)
		return 0;
	row->returns++;
	add(&row->results, PT_REGS_RC(ctx));
	return 0;
}
