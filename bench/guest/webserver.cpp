// SPDX-License-Identifier: MIT
//
// A small web server as the 2018 paper measured one: one thread, epoll, HTTP/1.1 with keep-alive. Every
// request reads the page anew from its file: openat, newfstatat, read, close, then the answer's write.
//
// Usage: webserver PORT PAGE [none|jaeger [EVERY]]
//   none      no tracing at all
//   jaeger    a span for each request and one for its file, made with the C++ client; every EVERYth request
//   is sampled, and
//             exactly those, so that runs can be compared
//
// Ends, with its counts on stdout, at SIGTERM.
#define JAEGERTRACING_NO_YAML_CPP // configured in code; YAML's headers are slow to compile
#include <arpa/inet.h>
#include <fcntl.h>
#include <jaegertracing/Tracer.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>

using opentracing::ChildOf;
using opentracing::Span;

namespace
{

constexpr char kEndOfRequest[] = "\r\n\r\n";

volatile sig_atomic_t stopping = 0;
std::shared_ptr<opentracing::Tracer> tracer;
uint64_t every = 1000;
uint64_t requests = 0;
uint64_t sampled = 0;

[[noreturn]] void fail(const char *what)
{
	std::perror(what);
	std::exit(1);
}

std::string readPage(const char *path)
{
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about {
	};
	if (file < 0 || fstat(file, &about) != 0)
		fail(path);
	std::string page(static_cast<size_t>(about.st_size), '\0');
	const ssize_t bytes = read(file, &page[0], page.size());
	if (bytes < 0)
		fail(path);
	page.resize(static_cast<size_t>(bytes));
	close(file);
	return page;
}

void answer(int connection, const std::string &page)
{
	const std::string message =
	    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(page.size()) +
	    kEndOfRequest + page;
	// Pages are far smaller than a socket's buffer: a short write means that the client is gone.
	if (write(connection, message.data(), message.size()) < 0 && errno != EPIPE && errno != ECONNRESET)
		fail("write");
}

void serve(int connection, const char *path)
{
	requests++;
	if (tracer == nullptr) {
		answer(connection, readPage(path));
		return;
	}
	opentracing::StartSpanOptions options;
	if (requests % every == 0) {
		sampled++;
		options.tags.emplace_back("sampling.priority", 1);
	}
	const auto span = tracer->StartSpanWithOptions("GET", options);
	std::string page;
	{
		const auto reading = tracer->StartSpan("read page", {ChildOf(&span->context())});
		page = readPage(path);
	}
	answer(connection, page);
}

std::shared_ptr<opentracing::Tracer> makeTracer()
{
	using namespace jaegertracing;
	return Tracer::make("webserver",
			    Config(false, false, samplers::Config("const", 0), reporters::Config()));
}

int listenOn(uint16_t port)
{
	const int one = 1;
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (listener < 0 || bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 ||
	    listen(listener, 128) != 0)
		fail("listen");
	return listener;
}

void watch(int epoll, int file)
{
	epoll_event event{};
	event.events = EPOLLIN;
	event.data.fd = file;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) != 0)
		fail("epoll_ctl");
}

void acceptOne(int epoll, int listener)
{
	const int one = 1;
	const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
	if (connection < 0)
		return;
	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	watch(epoll, connection);
}

// Returns false when the client has closed. Requests have no body: each empty line ends one.
bool receive(int connection, std::string &pending, const char *path)
{
	char bytes[4096];
	const ssize_t got = read(connection, bytes, sizeof bytes);
	if (got <= 0)
		return false;
	pending.append(bytes, static_cast<size_t>(got));
	for (size_t end; (end = pending.find(kEndOfRequest)) != std::string::npos;) {
		serve(connection, path);
		pending.erase(0, end + std::strlen(kEndOfRequest));
	}
	return true;
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 3)
		return std::fprintf(stderr, "usage: webserver PORT PAGE [none|jaeger [EVERY]]\n"), 2;
	if (argc > 4)
		every = std::strtoull(argv[4], nullptr, 10);
	if (argc > 3 && std::strcmp(argv[3], "jaeger") == 0)
		tracer = makeTracer();
	struct sigaction stop {
	};
	stop.sa_handler = [](int) { stopping = 1; };
	sigaction(SIGTERM, &stop, nullptr);
	signal(SIGPIPE, SIG_IGN);

	const int listener = listenOn(static_cast<uint16_t>(std::atoi(argv[1])));
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, listener);
	std::unordered_map<int, std::string> pending;
	while (stopping == 0) {
		epoll_event events[64];
		const int count = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < count; i++) {
			const int file = events[i].data.fd;
			if (file == listener) {
				acceptOne(epoll, listener);
			} else if (!receive(file, pending[file], argv[2])) {
				pending.erase(file);
				close(file);
			}
		}
	}
	if (tracer != nullptr)
		tracer->Close();
	std::printf("{\"requests\":%" PRIu64 ",\"sampled\":%" PRIu64 "}\n", requests, sampled);
	return 0;
}
