// SPDX-License-Identifier: MIT
//
// The write loop of the 2018 paper: LOOPS times a thousand write() calls.
//
//   plain    nothing but the calls
//   context  each call in a context of its own, set with skua.h: what the kernel needs, without a tracer
//   spans    each call in a child span of its own, made with the C++ client
//
// Usage: writes plain|context|spans FILE BYTES LOOPS
// FILE is written from its start in each loop. Spans go to a socket that nobody reads, unless Skua set an
// agent.
#define JAEGERTRACING_NO_YAML_CPP // configured in code; YAML's headers are slow to compile
#include <arpa/inet.h>
#include <fcntl.h>
#include <jaegertracing/Tracer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "measure.h"
#include "skua/skua.h"

namespace
{

constexpr unsigned kCalls = 1000;

struct Target {
	int file;
	std::vector<char> bytes;
	void rewind() const
	{
		if (lseek(file, 0, SEEK_SET) < 0)
			std::exit(1);
	}
	void write() const
	{
		if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
			std::exit(1);
	}
};

reading plainLoop(const Target &target)
{
	const reading began = begin_reading();
	for (unsigned i = 0; i < kCalls; i++)
		target.write();
	return end_reading(began);
}

reading contextLoop(const Target &target)
{
	uint8_t trace[16] = {1};
	uint8_t span[8] = {1};
	const reading began = begin_reading();
	for (unsigned i = 0; i < kCalls; i++) {
		std::memcpy(span + 4, &i, sizeof i);
		const skua::Scope scope(trace, span);
		target.write();
	}
	return end_reading(began);
}

reading spansLoop(const Target &target, const opentracing::Tracer &tracer)
{
	const auto parent = tracer.StartSpan("loop");
	const reading began = begin_reading();
	for (unsigned i = 0; i < kCalls; i++) {
		const auto span = tracer.StartSpan("write", {opentracing::ChildOf(&parent->context())});
		target.write();
		span->Finish();
	}
	return end_reading(began);
}

// A loopback address whose datagrams are thrown away, so that no ICMP error disturbs.
std::string silentAgent()
{
	const int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sockaddr_in address{};
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t length = sizeof address;
	if (sink < 0 || bind(sink, reinterpret_cast<sockaddr *>(&address), length) != 0 ||
	    getsockname(sink, reinterpret_cast<sockaddr *>(&address), &length) != 0)
		std::exit(1);
	return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

std::shared_ptr<opentracing::Tracer> makeTracer()
{
	using namespace jaegertracing;
	constexpr int kQueue = 4 * kCalls; // more than a loop makes: what is full drops, and costs less
	return Tracer::make(
	    "writes", Config(false, false, samplers::Config("const", 1),
			     reporters::Config(kQueue, std::chrono::milliseconds(50), false, silentAgent())));
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 5)
		return std::fprintf(stderr, "usage: writes plain|context|spans FILE BYTES LOOPS\n"), 2;
	const std::string mode = argv[1];
	const Target target{open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
			    std::vector<char>(std::strtoul(argv[3], nullptr, 10), 'x')};
	if (target.file < 0)
		return std::perror(argv[2]), 1;
	const auto tracer = mode == "spans" ? makeTracer() : nullptr;
	const unsigned loops = static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10));
	for (unsigned i = 0; i <= loops; i++) {
		target.rewind();
		const reading one = mode == "plain"	? plainLoop(target)
				    : mode == "context" ? contextLoop(target)
							: spansLoop(target, *tracer);
		if (i > 0)
			print_reading(mode.c_str(), kCalls, one); // the first loop only warms up
		usleep(150000); // the reporter empties its queue, LTTng's consumer daemon the buffers
	}
	if (tracer != nullptr) {
		tracer->Close();
		const auto counts = static_cast<const jaegertracing::Tracer &>(*tracer).statistics();
		// All threads together: beside the loops that is the reporter, which encodes and sends.
		std::printf("{\"what\":\"process\",\"process_ns\":%" PRIu64 ",\"reported\":%" PRIu64
			    ",\"dropped\":%" PRIu64 "}\n",
			    clock_ns(CLOCK_PROCESS_CPUTIME_ID), counts.reported, counts.droppedQueue);
	}
	return 0;
}
