/*
 * The yardstick of the fan-out: the least that a server can do for its subscribers, one write(2) a frame.
 *
 *     yardstick SOCKETS BYTES
 *
 * Prints the loopback port on which it listens, accepts SOCKETS connections and prints "ready".  For
 * each line "ROUNDS" that it reads it writes a frame of BYTES bytes to every connection, ROUNDS times
 * over, and prints "written".  It ends with its input.
 */

#define _GNU_SOURCE /* accept4 */

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0)
		err(1, "bind");
	if (listen(listener, SOMAXCONN) < 0)
		err(1, "listen");
	if (getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		err(1, "getsockname");
	printf("%d\n", ntohs(address.sin_port));
	return listener;
}

/* Connections are as the gateway has them: TCP_NODELAY, and never waited for. */
static void accept_all(int listener, int *sockets, int count)
{
	const int on = 1;

	for (int i = 0; i < count; i++) {
		sockets[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (sockets[i] < 0)
			err(1, "accept4");
		if (setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
			err(1, "setsockopt");
	}
}

static void write_to_all(const int *sockets, int count, const char *frame, size_t size)
{
	for (int i = 0; i < count; i++) {
		ssize_t written = write(sockets[i], frame, size);

		if (written < 0)
			err(1, "write");
		if ((size_t)written < size)
			errx(1, "a receiver does not keep up");
	}
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[1]) : 0;
	long size = argc == 3 ? atol(argv[2]) : 0;

	if (count < 1 || size < 1)
		errx(2, "usage: yardstick SOCKETS BYTES");
	setvbuf(stdout, NULL, _IOLBF, 0);
	int *sockets = calloc((size_t)count, sizeof *sockets);
	char *frame = malloc((size_t)size);
	if (!sockets || !frame)
		err(1, "malloc");
	memset(frame, 'x', (size_t)size);
	accept_all(listen_on_loopback(), sockets, count);
	puts("ready");
	for (int rounds; scanf("%d", &rounds) == 1; puts("written"))
		for (int i = 0; i < rounds; i++)
			write_to_all(sockets, count, frame, (size_t)size);
	return 0;
}
