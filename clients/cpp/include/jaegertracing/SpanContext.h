// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_SPANCONTEXT_H
#define JAEGERTRACING_SPANCONTEXT_H

#include <opentracing/span.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "jaegertracing/TraceID.h"

namespace jaegertracing {

// What of a span travels to its children. Ids never change; flags and baggage may, from any thread.
class SpanContext final : public opentracing::SpanContext {
  public:
    using StrMap = std::unordered_map<std::string, std::string>;

    enum class Flag : unsigned char { kSampled = 1, kDebug = 2 };

    SpanContext() = default;
    SpanContext(const TraceID& traceID, uint64_t spanID, uint64_t parentID, unsigned char flags)
        : _traceID(traceID), _spanID(spanID), _parentID(parentID), _flags(flags) {}
    SpanContext(const TraceID& traceID, uint64_t spanID, uint64_t parentID, unsigned char flags,
                StrMap baggage, std::string debugID = "");
    SpanContext(const SpanContext& other);
    SpanContext& operator=(const SpanContext& other) = delete;
    ~SpanContext() override { delete _baggage.load(std::memory_order_relaxed); }

    const TraceID& traceID() const { return _traceID; }
    uint64_t spanID() const { return _spanID; }
    uint64_t parentID() const { return _parentID; }
    unsigned char flags() const { return _flags.load(std::memory_order_relaxed); }
    // Id given in a jaeger-debug-id header: forces sampling of the trace that starts with it.
    const std::string& debugID() const { return _debugID; }
    StrMap baggage() const;
    // Takes over those items whose keys are not here yet.
    void inheritBaggage(const SpanContext& other);

    bool isSampled() const { return (flags() & static_cast<unsigned char>(Flag::kSampled)) != 0; }
    bool isDebug() const { return (flags() & static_cast<unsigned char>(Flag::kDebug)) != 0; }
    bool isValid() const { return _traceID.isValid() && _spanID != 0; }
    // Carries a debug id or baggage, but no trace to continue.
    bool isDebugIDContainerOnly() const { return !_traceID.isValid() && !_debugID.empty(); }

    // trace:span:parent:flags, the value of uber-trace-id.
    std::string str() const;
    template <typename Stream>
    void print(Stream& out) const {
        out << str();
    }

    void setFlags(unsigned char flags) { _flags.store(flags, std::memory_order_relaxed); }
    void setBaggageItem(const std::string& key, const std::string& value);
    std::string baggageItem(const std::string& key) const;

    void ForeachBaggageItem(
        std::function<bool(const std::string& key, const std::string& value)> f) const override;
    std::unique_ptr<opentracing::SpanContext> Clone() const noexcept override;
    std::string ToTraceID() const noexcept override;
    std::string ToSpanID() const noexcept override;

  private:
    StrMap& itemsLocked();

    TraceID _traceID;
    uint64_t _spanID = 0;
    uint64_t _parentID = 0;
    std::atomic<unsigned char> _flags{0};
    std::string _debugID;
    mutable std::mutex _mutex;  // guards what _baggage points to
    // Owned. Null until there is an item: most traces carry none, and need no lock to know it.
    std::atomic<StrMap*> _baggage{nullptr};
};

template <typename Stream>
Stream& operator<<(Stream& out, const SpanContext& context) {
    context.print(out);
    return out;
}

}  // namespace jaegertracing

#endif  // JAEGERTRACING_SPANCONTEXT_H
