// SPDX-License-Identifier: MIT
/*
 * Truth about the operators of C++: new and delete, of arrays, sized, aligned and without
 * exceptions, and a std::vector that grows.
 *
 *	matrix-cpp [--wait] [ROUNDS]
 *
 *	ready PID                       with --wait: goes on at a line or the end of stdin
 *	truth new.count=120             blocks and bytes of operator new, and of the aligned ones
 *	truth aligned_new.bytes=8192
 *	truth delete.count=120          all of operator delete
 *	truth live.blocks=3             what is leaked on purpose
 *	new matrix_cpp.cc 123 40        FILE LINE COUNT of blocks asked for, delete likewise
 *
 * The operators are called by name, so that the compiler may not leave out any. Aligned sizes are
 * multiples of their alignment: the library may round up others.
 */
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unistd.h>
#include <vector>

namespace
{

struct tally {
	long count, bytes;
};

struct site {
	const char *what;
	int line;
	long count;
};

tally news, aligned_news, deletes;
site sites[64];
long live_blocks, live_bytes;

void called(const char *what, int line)
{
	site *s = sites;

	while (s->count && (s->line != line || s->what != what))
		s++;
	*s = {what, line, s->count + 1};
}

void *made(tally &t, int line, std::size_t size, void *block)
{
	called("new", line);
	t.count++;
	t.bytes += static_cast<long>(size);
	live_blocks++;
	live_bytes += static_cast<long>(size);
	std::memset(block, 0x5a, size);
	return block;
}

void gone(int line, std::size_t size)
{
	called("delete", line);
	deletes.count++;
	deletes.bytes += static_cast<long>(size);
	live_blocks--;
	live_bytes -= static_cast<long>(size);
}

void plain(std::size_t n)
{
	void *p;

	p = made(news, __LINE__, n, ::operator new(n));
	::operator delete(p), gone(__LINE__, n);
	p = made(news, __LINE__, n, ::operator new(n));
	::operator delete(p, n), gone(__LINE__, n);
	p = made(news, __LINE__, n, ::operator new[](n));
	::operator delete[](p), gone(__LINE__, n);
	p = made(news, __LINE__, n, ::operator new[](n));
	::operator delete[](p, n), gone(__LINE__, n);
	p = made(news, __LINE__, n, ::operator new(n, std::nothrow));
	::operator delete(p, std::nothrow), gone(__LINE__, n);
}

void aligned(std::size_t n)
{
	const std::align_val_t align{64};
	void *p;

	n = (n + 63) / 64 * 64;
	p = made(aligned_news, __LINE__, n, ::operator new(n, align));
	::operator delete(p, align), gone(__LINE__, n);
	p = made(aligned_news, __LINE__, n, ::operator new(n, align));
	::operator delete(p, n, align), gone(__LINE__, n);
	p = made(aligned_news, __LINE__, n, ::operator new[](n, align));
	::operator delete[](p, align), gone(__LINE__, n);
}

/* What it asked for is told by its capacity. */
void growing(std::size_t n)
{
	std::vector<long> v;
	std::size_t had = 0;

	for (std::size_t i = 0; i < n; i++) {
		v.push_back(static_cast<long>(i));
		if (v.capacity() == had)
			continue;
		news.count++;
		news.bytes += static_cast<long>(v.capacity() * sizeof(long));
		deletes.count += had != 0;
		deletes.bytes += static_cast<long>(had * sizeof(long));
		had = v.capacity();
	}
	deletes.count++; /* at the end of this function */
	deletes.bytes += static_cast<long>(had * sizeof(long));
}

void print_truth()
{
	std::printf("truth new.count=%ld\ntruth new.bytes=%ld\n", news.count, news.bytes);
	std::printf("truth aligned_new.count=%ld\ntruth aligned_new.bytes=%ld\n",
		    aligned_news.count, aligned_news.bytes);
	std::printf("truth delete.count=%ld\ntruth delete.bytes=%ld\n", deletes.count,
		    deletes.bytes);
	for (const site &s : sites) {
		if (s.count)
			std::printf("%s %s %d %ld\n", s.what, std::strrchr("/" __FILE__, '/') + 1,
				    s.line, s.count);
	}
	std::printf("truth live.blocks=%ld\ntruth live.bytes=%ld\n", live_blocks, live_bytes);
}

void wait_for_line()
{
	char byte = 0;

	std::printf("ready %ld\n", static_cast<long>(getpid()));
	std::fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

} // namespace

int main(int argc, char **argv)
{
	static char output[1 << 14];
	const bool wait = argc > 1 && !std::strcmp(argv[1], "--wait");
	const int rounds = argc > 1 + wait ? std::atoi(argv[1 + wait]) : 50;

	std::setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (wait)
		wait_for_line();
	for (int i = 1; i <= rounds; i++) {
		plain(static_cast<std::size_t>(i) * 37);
		aligned(static_cast<std::size_t>(i) * 37);
		growing(static_cast<std::size_t>(i));
	}
	for (int i = 1; i <= 3; i++)
		made(news, __LINE__, 1000, ::operator new(1000));
	print_truth();
	return std::fflush(stdout) ? 1 : 0;
}
