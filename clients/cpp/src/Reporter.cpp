// SPDX-License-Identifier: MIT
#include "Reporter.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "Random.h"

namespace jaegertracing {
namespace {

// What a datagram may hold: the agent's limit, below UDP's 65507.
constexpr size_t kMaxDatagramBytes = 65000;

// The program's signals are for its own threads.
class BlockSignals {
  public:
    BlockSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &_old);
    }
    ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &_old, nullptr); }

  private:
    sigset_t _old;
};

}  // namespace

UdpSender::UdpSender(const std::string& hostPort) {
    const auto colon = hostPort.rfind(':');
    std::string host = colon == std::string::npos ? hostPort : hostPort.substr(0, colon);
    const std::string port = colon == std::string::npos ? "6831" : hostPort.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);

    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const int failure = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (failure != 0) {
        throw std::runtime_error("The Jaeger agent's address " + hostPort +
                                 " is of no use: " + gai_strerror(failure));
    }
    for (const addrinfo* at = found; at != nullptr && _socket < 0; at = at->ai_next) {
        _socket = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (_socket >= 0 && connect(_socket, at->ai_addr, at->ai_addrlen) != 0) {
            ::close(_socket);
            _socket = -1;
        }
    }
    freeaddrinfo(found);
    if (_socket < 0) throw std::runtime_error("No UDP socket for the Jaeger agent at " + hostPort + ".");
}

UdpSender::~UdpSender() { ::close(_socket); }

bool UdpSender::send(const std::string& datagram) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        const ssize_t sent = ::send(_socket, datagram.data(), datagram.size(), MSG_NOSIGNAL);
        if (sent == static_cast<ssize_t>(datagram.size())) return true;
        // ECONNREFUSED reports an earlier datagram; this one was not tried.
        if (errno != ECONNREFUSED && errno != EINTR) return false;
    }
    return false;
}

Reporter::Reporter(const reporters::Config& config, std::string process,
                   std::shared_ptr<logging::Logger> logger, metrics::StatsFactory& statsFactory)
    : _capacity(static_cast<size_t>(config.queueSize())),
      _flushInterval(config.bufferFlushInterval()),
      _logSpans(config.logSpans()),
      _process(std::move(process)),
      _logger(std::move(logger)),
      _generation(forkGeneration()),
      _reportedMetric(statsFactory.createCounter("jaeger.reporter-spans", {{"state", "success"}})),
      _droppedMetric(statsFactory.createCounter("jaeger.reporter-spans", {{"state", "dropped"}})),
      _failedMetric(statsFactory.createCounter("jaeger.reporter-spans", {{"state", "failure"}})) {
    if (!config.endpoint().empty()) {
        _logger->error("Sending to a collector's endpoint (" + config.endpoint() +
                       ") is not supported: spans go to the agent at " + config.localAgentHostPort() + ".");
    }
    try {
        _sender.reset(new UdpSender(config.localAgentHostPort()));
    } catch (const std::runtime_error& problem) {
        // A program must run without its agent: every span is dropped and counted.
        _logger->error(problem.what());
    }
    _queue.reset(new Queue());
    const BlockSignals block;
    _queue->thread = std::thread([this] { run(); });
    pthread_setname_np(_queue->thread.native_handle(), "skua-jaeger");
}

Reporter::~Reporter() { close(); }

bool Reporter::inForkedChild() const { return forkGeneration() != _generation; }

void Reporter::report(SpanData&& span) {
    // The parent may have held the mutex when it forked.
    if (inForkedChild()) {
        _counts.droppedQueue.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    bool wake = false;
    {
        std::lock_guard<std::mutex> lock(_queue->mutex);
        if (_queue->closing || _queue->spans.size() >= _capacity) {
            _counts.droppedQueue.fetch_add(1, std::memory_order_relaxed);
            _droppedMetric->inc(1);
            return;
        }
        _queue->spans.push_back(std::move(span));
        wake = _queue->spans.size() == (_capacity + 1) / 2;
    }
    if (wake) _queue->wake.notify_one();
}

void Reporter::close() noexcept {
    if (inForkedChild()) {
        // The thread exists in the parent only, and the lock and the condition may be in any state: none of
        // them can be joined or destroyed here.
        (void)_queue.release();
        return;
    }
    {
        std::lock_guard<std::mutex> lock(_queue->mutex);
        _queue->closing = true;
    }
    _queue->wake.notify_one();
    if (_queue->thread.joinable()) _queue->thread.join();
}

void Reporter::run() {
    bool closing = false;
    while (!closing) {
        std::deque<SpanData> spans;
        {
            std::unique_lock<std::mutex> lock(_queue->mutex);
            _queue->wake.wait_for(lock, _flushInterval, [this] {
                return _queue->closing || _queue->spans.size() * 2 >= _capacity;
            });
            closing = _queue->closing;
            spans.swap(_queue->spans);
        }
        for (const SpanData& span : spans) append(span);
        sendBatch();
    }
}

void Reporter::append(const SpanData& span) {
    if (_logSpans) {
        _logger->info("Reporting span " +
                      SpanContext(span.traceID, span.spanID, span.parentID, span.flags, {}).str() + ' ' +
                      span.operationName);
    }
    std::string encoded = thrift::encodeSpan(span);
    const size_t fixed = _process.size() + thrift::kEmitBatchOverhead;
    if (fixed + encoded.size() > kMaxDatagramBytes) {
        _counts.droppedLarge.fetch_add(1, std::memory_order_relaxed);
        _droppedMetric->inc(1);
        _logger->error("Span " + span.operationName + " of " + std::to_string(encoded.size()) +
                       " bytes fits in no datagram and was dropped.");
        return;
    }
    if (fixed + _batchBytes + encoded.size() > kMaxDatagramBytes) sendBatch();
    _batchBytes += encoded.size();
    _batch.push_back(std::move(encoded));
}

void Reporter::sendBatch() {
    if (_batch.empty()) return;
    thrift::ClientStats stats;
    stats.fullQueueDroppedSpans = static_cast<int64_t>(_counts.droppedQueue.load(std::memory_order_relaxed));
    stats.tooLargeDroppedSpans = static_cast<int64_t>(_counts.droppedLarge.load(std::memory_order_relaxed));
    stats.failedToEmitSpans = static_cast<int64_t>(_counts.droppedFailed.load(std::memory_order_relaxed));
    const auto spans = static_cast<int64_t>(_batch.size());
    if (_sender != nullptr && _sender->send(thrift::encodeEmitBatch(_process, _batch, ++_sequence, stats))) {
        _counts.reported.fetch_add(_batch.size(), std::memory_order_relaxed);
        _reportedMetric->inc(spans);
    } else {
        _counts.droppedFailed.fetch_add(_batch.size(), std::memory_order_relaxed);
        _failedMetric->inc(spans);
    }
    _batch.clear();
    _batchBytes = 0;
}

}  // namespace jaegertracing
