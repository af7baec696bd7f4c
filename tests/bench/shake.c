/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Many TLS handshakes at once, and what echoing peers notice of them.
 *
 * Runs on:  a process with the peers that echo, and a child with those that shake hands; one epoll each.
 * Owns:     its connections.
 *
 *   shake -p PORT [-P PID] [-n HANDSHAKES] [-e PEERS] [-s SILENT] [-h HALF] [-N NICE]
 * First the peers echo for a second, each one echo at a time; then all handshakes begin at once, and the peers go on
 * until they are done.  With -s and -h so many connections stay silent, or send half a hello, and no handshake begins:
 * the peers go on for a second.  Prints one line of name=value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/conn.h"

enum { LATENCIES_MOST = 1 << 22, SECOND = 1000000000 };

static struct {
	int port, pid, shakes, peers, silent, half, nice;
	struct conn *conns;
	uint64_t *latency;
	size_t count;
} b = { .shakes = 2000, .peers = 4 };

/* ---- Handshakes: the child ------------------------------------------------------------------ */

struct shaking {
	SSL *ssl;
	int fd;
};

static int
dial(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)b.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connect");
	return fd;
}

/* True when it is done. */
static bool
shake(struct shaking *s)
{
	int n = SSL_connect(s->ssl), error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);

	if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		die("a handshake failed");
	return n == 1;
}

/* All hellos are on their way before the first answer is read.  `go` is a pipe: the start. */
_Noreturn static void
shake_all(int go)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct shaking *all = mem_new((size_t)b.shakes * sizeof *all);
	int epoll = epoll_create1(EPOLL_CLOEXEC), done = 0;
	char byte;

	errno = 0;
	if (nice(b.nice) == -1 && errno != 0)
		die("nice");
	if (read(go, &byte, 1) != 1)
		_exit(2);
	for (int i = 0; i < b.shakes; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &all[i] };

		all[i].fd = dial();
		fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
		all[i].ssl = SSL_new(ctx);
		SSL_set_fd(all[i].ssl, all[i].fd);
		epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &e);
		done += shake(&all[i]);
	}
	while (done < b.shakes) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, 20000);

		if (n <= 0)
			die("handshakes");
		for (int i = 0; i < n; i++) {
			struct shaking *s = events[i].data.ptr;

			if (!shake(s))
				continue;
			done++;
			epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
		}
	}
	_exit(0);
}

/* ---- Echoes --------------------------------------------------------------------------------- */

static void
echo(struct conn *c)
{
	conn_add(c, PKT_ECHO_REQ, &(struct slice){ "echo", 4 }, 1);
	conn_opened(c, now_ns());
	conn_flush(c);
}

static void
take(struct conn *c, const struct pkt_head *head, struct slice body)
{
	(void)head;
	(void)body;
	if (b.count < LATENCIES_MOST)
		b.latency[b.count++] = now_ns() - conn_ended(c);
}

/* Until the time is up, or the child has ended.  Returns the seconds that it took. */
static double
echo_for(uint64_t ns, pid_t child, const char *name)
{
	uint64_t start = now_ns();
	double cpu = server_cpu(b.pid);

	b.count = 0;
	while (now_ns() - start < ns && (child == 0 || waitpid(child, NULL, WNOHANG) == 0))
		conn_poll(10, take, echo, -1);
	qsort(b.latency, b.count, sizeof *b.latency, by_size);
	printf("%s_echoes=%zu %s_p50_us=%.1f %s_p99_us=%.1f %s_most_us=%.1f %s_cpu_s=%.2f ", name, b.count, name,
	    (double)b.latency[b.count / 2] / 1e3, name, (double)b.latency[b.count * 99 / 100] / 1e3, name,
	    (double)b.latency[b.count - 1] / 1e3, name, server_cpu(b.pid) - cpu);
	return (double)(now_ns() - start) / SECOND;
}

static void
stay(void)
{
	static const char half[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

	for (int i = 0; i < b.silent + b.half; i++)
		if (i >= b.silent) {
			if (write(dial(), half, sizeof half - 1) != sizeof half - 1)
				die("write");
		} else {
			dial();
		}
}

static void
options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "p:P:n:e:s:h:N:")) != -1) {
		int *places[] = { ['p'] = &b.port,
			['P'] = &b.pid,
			['n'] = &b.shakes,
			['e'] = &b.peers,
			['s'] = &b.silent,
			['h'] = &b.half,
			['N'] = &b.nice };

		if (o == '?')
			exit(2);
		*places[o] = (int)strtol(optarg, NULL, 10);
	}
}

int
main(int argc, char **argv)
{
	int go[2];
	pid_t child;
	double seconds;

	options(argc, argv);
	if (pipe(go) != 0)
		die("pipe");
	conn_setup();
	child = fork();
	if (child == 0) {
		close(go[1]); /* its end of the pipe must come to it, too */
		shake_all(go[0]);
	}
	conn_use_tls();
	b.conns = mem_new((size_t)b.peers * sizeof *b.conns);
	b.latency = mem_new(LATENCIES_MOST * sizeof *b.latency);
	for (int i = 0; i < b.peers; i++) {
		conn_dial(&b.conns[i], FG_CLIENT, b.port, 1);
		echo(&b.conns[i]);
	}
	echo_for(SECOND, 0, "before");
	if (b.silent + b.half > 0) {
		stay();
		seconds = echo_for(SECOND, 0, "beside");
		close(go[1]);
	} else {
		if (write(go[1], "", 1) != 1)
			die("write");
		seconds = echo_for(UINT64_C(60) * SECOND, child, "beside");
	}
	printf("seconds=%.2f\n", seconds);
	return 0;
}
