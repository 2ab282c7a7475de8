/* SPDX-License-Identifier: MIT */
/*
 * What a helper's processes and alloctrace say to each other: one packet of a SOCK_SEQPACKET socket
 * is one message, with it perhaps a file.
 */
#ifndef ALLOCTRACE_GUARD_MESSAGE_H
#define ALLOCTRACE_GUARD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard/helper.h"

enum message_type {
	MESSAGE_READY,
	MESSAGE_START,
	MESSAGE_QUESTION,
	MESSAGE_ANSWER,
	MESSAGE_WANT,
	MESSAGE_FILE,
};

struct message {
	uint32_t type;
	uint32_t reserved;
	unsigned char bytes[HELPER_MAX_BYTES];
};

/*
 * Sends the first `len` of m->bytes, and `fd`, which stays the caller's; -1: no file. `flags` are
 * those of sendmsg(2). 0 or a negative errno: -EPIPE when nobody is there.
 */
int message_send(int socket, struct message *m, enum message_type type, size_t len, int fd,
		 int flags);

/*
 * The length of what came, which is in m->bytes, and the file with it in *fd, which is the caller's
 * to close (-1: none). A negative errno: -EPIPE when the other side has gone, -EBADMSG for what is
 * no message.
 */
ssize_t message_take(int socket, struct message *m, int *fd, int flags);

#endif
