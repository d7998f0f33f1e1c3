// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_SPAN_H
#define JAEGERTRACING_SPAN_H

#include <opentracing/propagation.h>
#include <opentracing/span.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "jaegertracing/SpanContext.h"
#include "jaegertracing/Tag.h"

namespace jaegertracing {

class Tracer;
class Activation;

struct Reference {
    opentracing::SpanReferenceType type;
    TraceID traceID;
    uint64_t spanID;
};

struct LogRecord {
    opentracing::SystemTime timestamp;
    std::vector<Tag> fields;
};

// What a finished span hands to the reporter.
struct SpanData {
    TraceID traceID;
    uint64_t spanID = 0;
    uint64_t parentID = 0;
    unsigned char flags = 0;
    std::string operationName;
    opentracing::SystemTime startTimeSystem;
    opentracing::SteadyClock::duration duration{};
    std::vector<Tag> tags;
    std::vector<LogRecord> logs;
    std::vector<Reference> references;
};

// Safe to use from several threads. Destruction finishes the span.
//
// A sampled span is published to the kernel as the active span of the thread that started it, until it
// finishes; then the span that was active before is again (see docs/clients.md for spans that finish out of
// order or on another thread).
class Span : public opentracing::Span {
  public:
    using SteadyClock = opentracing::SteadyClock;
    using SystemClock = opentracing::SystemClock;

    ~Span() override;
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

    void FinishWithOptions(const opentracing::FinishSpanOptions& options) noexcept override;
    void SetOperationName(opentracing::string_view name) noexcept override;
    void SetTag(opentracing::string_view key, const opentracing::Value& value) noexcept override;
    void SetBaggageItem(opentracing::string_view key, opentracing::string_view value) noexcept override;
    std::string BaggageItem(opentracing::string_view key) const noexcept override;
    void Log(std::initializer_list<std::pair<opentracing::string_view, opentracing::Value>> fields) noexcept
        override;
    void Log(opentracing::SystemTime timestamp,
             std::initializer_list<std::pair<opentracing::string_view, opentracing::Value>> fields) noexcept
        override;
    void Log(
        opentracing::SystemTime timestamp,
        const std::vector<std::pair<opentracing::string_view, opentracing::Value>>& fields) noexcept override;
    const SpanContext& context() const noexcept override { return _context; }
    const opentracing::Tracer& tracer() const noexcept override;

    std::string operationName() const;
    SystemClock::time_point startTimeSystem() const;
    SteadyClock::time_point startTimeSteady() const { return _startTimeSteady; }
    // Zero until the span is finished, and for one that is not sampled.
    SteadyClock::duration duration() const;
    std::vector<Tag> tags() const;
    std::string serviceName() const;

  private:
    friend class Tracer;
    // startTimeSystem: the epoch when it is still to be derived from startTimeSteady.
    Span(std::shared_ptr<const Tracer> tracer, const TraceID& traceID, uint64_t parentID, unsigned char flags,
         opentracing::string_view operationName, SystemClock::time_point startTimeSystem,
         SteadyClock::time_point startTimeSteady);

    template <typename Iterator>
    void addLog(opentracing::SystemTime timestamp, Iterator first, Iterator last) noexcept;
    SpanData& dataLocked();
    void setTagLocked(const std::string& key, const opentracing::Value& value);
    void setSamplingPriority(const opentracing::Value& value);

    const std::shared_ptr<const Tracer> _tracer;
    SpanContext _context;
    const SystemClock::time_point _startTimeSystem;
    const SteadyClock::time_point _startTimeSteady;
    std::atomic<bool> _finished{false};
    // The span is, or has been, sampled or active. One that never was needs no more than to be counted, which
    // is why most spans of a program that samples few cost little.
    std::atomic<bool> _matters{false};

    mutable std::mutex _mutex;                // guards what follows
    std::shared_ptr<Activation> _activation;  // null while the span never was active
    std::string _operationName;
    SteadyClock::duration _duration{};
    std::unique_ptr<SpanData> _data;  // null while there is nothing to report
};

}  // namespace jaegertracing

#endif  // JAEGERTRACING_SPAN_H
