// SPDX-License-Identifier: MIT
#include "jaegertracing/Span.h"

#include <algorithm>

#include "Activation.h"
#include "Random.h"
#include "jaegertracing/Tracer.h"

namespace jaegertracing {
namespace {

constexpr auto kSamplingPriority = "sampling.priority";
constexpr size_t kMaxBaggageValue = 2048;

struct IsPositive {
    bool operator()(bool value) const { return value; }
    bool operator()(double value) const { return value > 0; }
    bool operator()(int64_t value) const { return value > 0; }
    bool operator()(uint64_t value) const { return value > 0; }
    template <typename Other>
    bool operator()(const Other&) const {
        return false;
    }
};

}  // namespace

Span::Span(std::shared_ptr<const Tracer> tracer, const TraceID& traceID, uint64_t parentID,
           unsigned char flags, opentracing::string_view operationName,
           SystemClock::time_point startTimeSystem, SteadyClock::time_point startTimeSteady)
    : _tracer(std::move(tracer)),
      _context(traceID, randomID(), parentID, flags),
      _startTimeSystem(startTimeSystem),
      _startTimeSteady(startTimeSteady),
      _operationName(operationName.data(), operationName.length()) {}

Span::~Span() {
    // Not Finish(), which reads the clock also for spans that need no end.
    if (!_finished.load(std::memory_order_relaxed)) FinishWithOptions(opentracing::FinishSpanOptions());
}

void Span::FinishWithOptions(const opentracing::FinishSpanOptions& options) noexcept {
    if (_finished.exchange(true)) return;
    // Sequentially consistent, as in setSamplingPriority: one of the two sees what the other did.
    if (!_matters.load()) {
        _tracer->countFinished();
        return;
    }
    TracerAtWork work;
    const auto end = options.finish_steady_timestamp == SteadyClock::time_point()
                         ? SteadyClock::now()
                         : options.finish_steady_timestamp;
    std::shared_ptr<Activation> activation;
    {
        std::lock_guard<std::mutex> lock(_mutex);
        activation = _activation;
        _duration = std::max(end - _startTimeSteady, SteadyClock::duration::zero());
    }
    if (activation != nullptr) work.remove(activation);
    _tracer->countFinished();
    if (!_context.isSampled()) return;
    try {
        std::unique_ptr<SpanData> data;
        {
            std::lock_guard<std::mutex> lock(_mutex);
            dataLocked().operationName = _operationName;
            data = std::move(_data);
            data->duration = _duration;
        }
        for (const auto& record : options.log_records) {
            LogRecord log{record.timestamp, {}};
            for (const auto& field : record.fields) log.fields.emplace_back(field.first, field.second);
            data->logs.push_back(std::move(log));
        }
        data->traceID = _context.traceID();
        data->spanID = _context.spanID();
        data->parentID = _context.parentID();
        data->flags = _context.flags();
        _tracer->report(std::move(*data));
    } catch (const std::bad_alloc&) {
        // The span is lost; the program goes on.
    }
}

void Span::SetOperationName(opentracing::string_view name) noexcept {
    try {
        std::lock_guard<std::mutex> lock(_mutex);
        if (!_finished.load(std::memory_order_relaxed)) _operationName.assign(name.data(), name.length());
    } catch (const std::bad_alloc&) {
        // The old name stays.
    }
}

SpanData& Span::dataLocked() {
    if (_data == nullptr) {
        _data.reset(new SpanData());
        _data->startTimeSystem = startTimeSystem();
    }
    return *_data;
}

void Span::setTagLocked(const std::string& key, const opentracing::Value& value) {
    Tag tag(key, value);
    auto& tags = dataLocked().tags;
    const auto old =
        std::find_if(tags.begin(), tags.end(), [&key](const Tag& other) { return other.key() == key; });
    if (old == tags.end())
        tags.push_back(std::move(tag));
    else
        *old = std::move(tag);
}

// OpenTracing's tag sampling.priority: above 0 the span must be sampled, at 0 it must not.
void Span::setSamplingPriority(const opentracing::Value& value) {
    const bool sample = opentracing::Value::visit(value, IsPositive{});
    TracerAtWork work;
    std::lock_guard<std::mutex> lock(_mutex);
    _matters.store(true);
    if (_finished.load()) return;
    constexpr auto kBoth = static_cast<unsigned char>(SpanContext::Flag::kSampled) |
                           static_cast<unsigned char>(SpanContext::Flag::kDebug);
    _context.setFlags(
        static_cast<unsigned char>(sample ? _context.flags() | kBoth : _context.flags() & ~kBoth));
    if (_activation != nullptr)
        _activation->sampled.store(sample, std::memory_order_relaxed);
    else if (sample)
        _activation = work.push(_context);
    if (sample) setTagLocked(kSamplingPriority, value);
}

void Span::SetTag(opentracing::string_view key, const opentracing::Value& value) noexcept {
    try {
        if (_finished.load(std::memory_order_relaxed)) return;
        if (key == kSamplingPriority) {
            setSamplingPriority(value);
            return;
        }
        if (!_context.isSampled()) return;
        std::lock_guard<std::mutex> lock(_mutex);
        setTagLocked(key, value);
    } catch (const std::bad_alloc&) {
        // The tag is lost.
    }
}

void Span::SetBaggageItem(opentracing::string_view key, opentracing::string_view value) noexcept {
    try {
        const std::string text = std::string(value).substr(0, kMaxBaggageValue);
        _context.setBaggageItem(key, text);
        // As the other Jaeger clients do, so that a trace shows where its baggage was set.
        Log({{"event", "baggage"}, {"key", key}, {"value", opentracing::string_view(text)}});
    } catch (const std::bad_alloc&) {
        // The item is lost.
    }
}

std::string Span::BaggageItem(opentracing::string_view key) const noexcept {
    return _context.baggageItem(key);
}

template <typename Iterator>
void Span::addLog(opentracing::SystemTime timestamp, Iterator first, Iterator last) noexcept {
    try {
        if (_finished.load(std::memory_order_relaxed) || !_context.isSampled()) return;
        LogRecord log{timestamp, {}};
        for (Iterator field = first; field != last; ++field)
            log.fields.emplace_back(field->first, field->second);
        std::lock_guard<std::mutex> lock(_mutex);
        dataLocked().logs.push_back(std::move(log));
    } catch (const std::bad_alloc&) {
        // The log is lost.
    }
}

void Span::Log(
    std::initializer_list<std::pair<opentracing::string_view, opentracing::Value>> fields) noexcept {
    addLog(SystemClock::now(), fields.begin(), fields.end());
}

void Span::Log(
    opentracing::SystemTime timestamp,
    std::initializer_list<std::pair<opentracing::string_view, opentracing::Value>> fields) noexcept {
    addLog(timestamp, fields.begin(), fields.end());
}

void Span::Log(opentracing::SystemTime timestamp,
               const std::vector<std::pair<opentracing::string_view, opentracing::Value>>& fields) noexcept {
    addLog(timestamp, fields.begin(), fields.end());
}

const opentracing::Tracer& Span::tracer() const noexcept { return *_tracer; }

std::string Span::operationName() const {
    std::lock_guard<std::mutex> lock(_mutex);
    return _operationName;
}

Span::SystemClock::time_point Span::startTimeSystem() const {
    return _startTimeSystem == SystemClock::time_point()
               ? opentracing::convert_time_point<SystemClock>(_startTimeSteady)
               : _startTimeSystem;
}

Span::SteadyClock::duration Span::duration() const {
    std::lock_guard<std::mutex> lock(_mutex);
    return _duration;
}

std::vector<Tag> Span::tags() const {
    std::lock_guard<std::mutex> lock(_mutex);
    return _data == nullptr ? std::vector<Tag>() : _data->tags;
}

std::string Span::serviceName() const { return _tracer->serviceName(); }

}  // namespace jaegertracing
