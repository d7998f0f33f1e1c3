// SPDX-License-Identifier: MIT
#include <cstdio>

#include "jaegertracing/SpanContext.h"

namespace jaegertracing {
namespace {

std::string hex16(uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

std::string TraceID::str() const { return _high == 0 ? hex16(_low) : hex16(_high) + hex16(_low); }

SpanContext::SpanContext(const TraceID& traceID, uint64_t spanID, uint64_t parentID, unsigned char flags,
                         StrMap baggage, std::string debugID)
    : _traceID(traceID),
      _spanID(spanID),
      _parentID(parentID),
      _flags(flags),
      _debugID(std::move(debugID)),
      _baggage(baggage.empty() ? nullptr : new StrMap(std::move(baggage))) {}

SpanContext::SpanContext(const SpanContext& other)
    : SpanContext(other._traceID, other._spanID, other._parentID, other.flags(), other.baggage(),
                  other._debugID) {}

SpanContext::StrMap SpanContext::baggage() const {
    const StrMap* items = _baggage.load(std::memory_order_acquire);
    if (items == nullptr) return {};
    std::lock_guard<std::mutex> lock(_mutex);
    return *items;
}

void SpanContext::inheritBaggage(const SpanContext& other) {
    if (other._baggage.load(std::memory_order_acquire) == nullptr) return;
    const StrMap inherited = other.baggage();
    std::lock_guard<std::mutex> lock(_mutex);
    itemsLocked().insert(inherited.begin(), inherited.end());
}

void SpanContext::setBaggageItem(const std::string& key, const std::string& value) {
    std::lock_guard<std::mutex> lock(_mutex);
    itemsLocked()[key] = value;
}

std::string SpanContext::baggageItem(const std::string& key) const {
    const StrMap* items = _baggage.load(std::memory_order_acquire);
    if (items == nullptr) return {};
    std::lock_guard<std::mutex> lock(_mutex);
    const auto found = items->find(key);
    return found == items->end() ? std::string() : found->second;
}

SpanContext::StrMap& SpanContext::itemsLocked() {
    StrMap* items = _baggage.load(std::memory_order_relaxed);
    if (items == nullptr) {
        items = new StrMap();
        _baggage.store(items, std::memory_order_release);
    }
    return *items;
}

std::string SpanContext::str() const {
    char flagsText[4];
    std::snprintf(flagsText, sizeof flagsText, "%x", flags());
    const std::string parent = _parentID == 0 ? "0" : hex16(_parentID);
    return _traceID.str() + ':' + hex16(_spanID) + ':' + parent + ':' + flagsText;
}

// The callback runs on a copy, so that it may use the span.
void SpanContext::ForeachBaggageItem(
    std::function<bool(const std::string& key, const std::string& value)> f) const {
    for (const auto& item : baggage()) {
        if (!f(item.first, item.second)) return;
    }
}

std::unique_ptr<opentracing::SpanContext> SpanContext::Clone() const noexcept {
    try {
        return std::unique_ptr<opentracing::SpanContext>(new SpanContext(*this));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

std::string SpanContext::ToTraceID() const noexcept { return _traceID.str(); }

std::string SpanContext::ToSpanID() const noexcept { return hex16(_spanID); }

}  // namespace jaegertracing
