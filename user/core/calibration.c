// SPDX-License-Identifier: MIT
/* Names of the classes, and the share of one operation. */
#include "core/calibration.h"

const char *calibration_name(enum calibration_class class)
{
	static const char *const names[CALIBRATION_NR] = {
		[CALIBRATION_STEPPED] = "stepped", [CALIBRATION_PUSH] = "push",
		[CALIBRATION_JCC] = "jcc",         [CALIBRATION_JMP] = "jmp",
		[CALIBRATION_CALL] = "call",       [CALIBRATION_NOP] = "nop",
		[CALIBRATION_CLOCK] = "clock",
	};

	return class < CALIBRATION_NR ? names[class] : "?";
}

static double share(double ns, unsigned int group)
{
	return group > 1 ? ns / group : ns;
}

double calibration_cost(const struct calibration *c, enum calibration_class class,
			unsigned int group)
{
	return share(c->windows[class].p50, group);
}

double calibration_floor(const struct calibration *c, enum calibration_class class,
			 unsigned int group)
{
	return share(c->windows[class].p95 - c->windows[class].p5, group);
}
