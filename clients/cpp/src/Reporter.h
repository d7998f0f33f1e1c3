// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_REPORTER_H
#define SKUA_SRC_REPORTER_H

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "Thrift.h"
#include "jaegertracing/Logging.h"
#include "jaegertracing/Span.h"
#include "jaegertracing/metrics/StatsFactory.h"
#include "jaegertracing/reporters/Config.h"

namespace jaegertracing {

// A UDP socket connected to the agent.
class UdpSender {
  public:
    // hostPort: "host:port" or "[v6]:port". Throws std::runtime_error when it cannot be resolved.
    explicit UdpSender(const std::string& hostPort);
    ~UdpSender();
    UdpSender(const UdpSender&) = delete;
    UdpSender& operator=(const UdpSender&) = delete;
    bool send(const std::string& datagram);

  private:
    int _socket = -1;
};

/*
 * Sends finished spans from a thread of its own:
 *
 *	report() ─► bounded queue ─► encode, pack into datagrams ─► agent
 *	               │ full: dropped, counted
 *
 * The thread wakes up when the flush interval is over or the queue half full. A forked child has no such
 *thread: its spans are dropped and counted.
 */
class Reporter {
  public:
    struct Counts {
        std::atomic<uint64_t> reported{0};
        std::atomic<uint64_t> droppedQueue{0};
        std::atomic<uint64_t> droppedLarge{0};
        std::atomic<uint64_t> droppedFailed{0};
    };

    Reporter(const reporters::Config& config, std::string process, std::shared_ptr<logging::Logger> logger,
             metrics::StatsFactory& statsFactory);
    ~Reporter();
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;

    void report(SpanData&& span);
    // Sends what is queued, ends the thread. Idempotent.
    void close() noexcept;
    const Counts& counts() const { return _counts; }

  private:
    void run();
    void append(const SpanData& span);
    void sendBatch();
    bool inForkedChild() const;

    const size_t _capacity;
    const std::chrono::steady_clock::duration _flushInterval;
    const bool _logSpans;
    const std::string _process;
    const std::shared_ptr<logging::Logger> _logger;
    const unsigned _generation;
    std::unique_ptr<UdpSender> _sender;
    Counts _counts;
    std::unique_ptr<metrics::Counter> _reportedMetric;
    std::unique_ptr<metrics::Counter> _droppedMetric;
    std::unique_ptr<metrics::Counter> _failedMetric;

    struct Queue {
        std::mutex mutex;  // guards what follows, but the thread
        std::condition_variable wake;
        std::deque<SpanData> spans;
        bool closing = false;
        std::thread thread;
    };
    std::unique_ptr<Queue> _queue;

    // Of the thread alone.
    std::vector<std::string> _batch;
    size_t _batchBytes = 0;
    int32_t _sequence = 0;
};

}  // namespace jaegertracing

#endif  // SKUA_SRC_REPORTER_H
