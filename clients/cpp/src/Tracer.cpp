// SPDX-License-Identifier: MIT
#include "jaegertracing/Tracer.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <typeinfo>

#include "Activation.h"
#include "Propagation.h"
#include "Random.h"
#include "Reporter.h"

namespace jaegertracing {
namespace {

using opentracing::SteadyClock;
using opentracing::SystemClock;
using propagation::Carrier;

std::string hostName() {
    char name[256] = "";
    return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// First address of an interface that is up and not the loopback, else 127.0.0.1.
std::string hostAddress() {
    std::string address = "127.0.0.1";
    ifaddrs* interfaces = nullptr;
    if (getifaddrs(&interfaces) != 0) return address;
    for (const ifaddrs* at = interfaces; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
        if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
        char text[INET_ADDRSTRLEN];
        const auto* inet = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
        if (inet_ntop(AF_INET, &inet->sin_addr, text, sizeof text) == nullptr) continue;
        address = text;
        break;
    }
    freeifaddrs(interfaces);
    return address;
}

std::vector<Tag> processTags(const Config& config) {
    std::vector<Tag> tags = {Tag(kJaegerClientVersionTagKey, kJaegerClientVersion),
                             Tag(kTracerHostnameTagKey, hostName()), Tag(kTracerIPTagKey, hostAddress()),
                             Tag("process.pid", static_cast<int64_t>(getpid()))};
    for (const Tag& tag : config.tags()) tags.push_back(tag);
    return tags;
}

// Null when it is another tracer's. The class is final, so this says what dynamic_cast would, which every
// span would pay for.
const SpanContext* ownContext(const opentracing::SpanContext* context) {
    return context != nullptr && typeid(*context) == typeid(SpanContext)
               ? static_cast<const SpanContext*>(context)
               : nullptr;
}

struct Parents {
    const SpanContext* parent = nullptr;
    const std::string* debugID = nullptr;
    std::vector<Reference> references;
};

// The first ChildOf is the parent, else the first FollowsFrom. The parent's reference is implied by the
// parent id when it is ChildOf; all others are listed.
Parents analyze(const opentracing::StartSpanOptions& options) {
    Parents found;
    for (const auto& reference : options.references) {
        const SpanContext* context = ownContext(reference.second);
        if (context == nullptr) continue;
        if (!context->debugID().empty()) found.debugID = &context->debugID();
        if (!context->isValid()) continue;
        if (found.parent == nullptr && reference.first == opentracing::SpanReferenceType::ChildOfRef)
            found.parent = context;
    }
    for (const auto& reference : options.references) {
        const SpanContext* context = ownContext(reference.second);
        if (context == nullptr || !context->isValid()) continue;
        if (found.parent == nullptr) found.parent = context;
        if (context == found.parent && reference.first == opentracing::SpanReferenceType::ChildOfRef)
            continue;
        found.references.push_back({reference.first, context->traceID(), context->spanID()});
    }
    return found;
}

struct StartTimes {
    SystemClock::time_point system;
    SteadyClock::time_point steady;
};

// OpenTracing: both at their epochs means now; one given is used to estimate the other. A span that is not
// sampled has its system time derived when somebody asks for it, if ever.
StartTimes startTimes(const opentracing::StartSpanOptions& options, bool sampled) {
    const SystemClock::time_point noSystem;
    const SteadyClock::time_point noSteady;
    StartTimes times{options.start_system_timestamp, options.start_steady_timestamp};
    if (times.system == noSystem && times.steady == noSteady)
        return {sampled ? SystemClock::now() : noSystem, SteadyClock::now()};
    if (times.system == noSystem) times.system = opentracing::convert_time_point<SystemClock>(times.steady);
    if (times.steady == noSteady) times.steady = opentracing::convert_time_point<SteadyClock>(times.system);
    return times;
}

}  // namespace

struct Tracer::State {
    std::string serviceName;
    std::vector<Tag> tags;
    propagation::HeadersConfig headers;
    bool traceId128Bit;
    std::shared_ptr<logging::Logger> logger;
    std::unique_ptr<samplers::Sampler> sampler;
    std::unique_ptr<Reporter> reporter;
    std::unique_ptr<metrics::Counter> startedMetric;
    std::unique_ptr<metrics::Counter> finishedMetric;
    std::atomic<uint64_t> started{0};
    std::atomic<uint64_t> finished{0};
};

std::shared_ptr<opentracing::Tracer> Tracer::make(const Config& config) {
    return make(config.serviceName(), config);
}

std::shared_ptr<opentracing::Tracer> Tracer::make(const std::string& serviceName, const Config& config) {
    return make(serviceName, config, logging::nullLogger());
}

std::shared_ptr<opentracing::Tracer> Tracer::make(const std::string& serviceName, const Config& config,
                                                  const std::shared_ptr<logging::Logger>& logger) {
    metrics::NullStatsFactory none;
    return make(serviceName, config, logger, none);
}

std::shared_ptr<opentracing::Tracer> Tracer::make(const std::string& serviceName, const Config& config,
                                                  const std::shared_ptr<logging::Logger>& logger,
                                                  metrics::StatsFactory& statsFactory) {
    return make(serviceName, config, logger, statsFactory, 0);
}

std::shared_ptr<opentracing::Tracer> Tracer::make(const std::string& serviceName, const Config& config,
                                                  const std::shared_ptr<logging::Logger>& logger,
                                                  metrics::StatsFactory& statsFactory, int options) {
    if (serviceName.empty()) throw std::invalid_argument("no service name provided");
    if (config.disabled()) return opentracing::MakeNoopTracer();

    samplers::Config sampler = config.sampler();
    sampler.fromSkua();
    reporters::Config reporter = config.reporter();
    reporter.fromSkua();

    std::unique_ptr<State> state(new State());
    state->serviceName = serviceName;
    state->tags = processTags(config);
    state->headers = config.headers();
    state->traceId128Bit = config.traceId128Bit() || (options & kGen128BitOption) != 0;
    state->logger = logger;
    state->sampler = sampler.makeSampler(*logger);
    if (state->sampler == nullptr) throw std::invalid_argument("the sampler's configuration makes no sense");
    state->startedMetric = statsFactory.createCounter("jaeger.started-spans");
    state->finishedMetric = statsFactory.createCounter("jaeger.finished-spans");
    state->reporter.reset(
        new Reporter(reporter, thrift::encodeProcess(serviceName, state->tags), logger, statsFactory));
    return std::shared_ptr<Tracer>(new Tracer(std::move(state)));
}

Tracer::Tracer(std::unique_ptr<State> state) : _state(std::move(state)) {}

Tracer::~Tracer() { Close(); }

void Tracer::Close() noexcept {
    _state->reporter->close();
    _state->sampler->close();
}

const std::string& Tracer::serviceName() const { return _state->serviceName; }

const std::vector<Tag>& Tracer::tags() const { return _state->tags; }

Tracer::Statistics Tracer::statistics() const {
    const Reporter::Counts& counts = _state->reporter->counts();
    return {_state->started,     _state->finished,    counts.reported,
            counts.droppedQueue, counts.droppedLarge, counts.droppedFailed};
}

void Tracer::countFinished() const {
    _state->finished.fetch_add(1, std::memory_order_relaxed);
    _state->finishedMetric->inc(1);
}

void Tracer::report(SpanData&& span) const { _state->reporter->report(std::move(span)); }

std::unique_ptr<opentracing::Span> Tracer::StartSpanWithOptions(
    string_view operationName, const opentracing::StartSpanOptions& options) const noexcept {
    try {
        return startSpan(operationName, options);
    } catch (const std::exception& problem) {
        // Out of memory, or a sampler of the program's own that throws: the program gets a span that does
        // nothing.
        return opentracing::MakeNoopTracer()->StartSpan(operationName);
    }
}

std::unique_ptr<Span> Tracer::startSpan(string_view operationName,
                                        const opentracing::StartSpanOptions& options) const {
    using Flag = SpanContext::Flag;
    TracerAtWork work;
    Parents parents = analyze(options);
    std::vector<Tag> tags;
    TraceID traceID;
    uint64_t parentID = 0;
    unsigned char flags = 0;
    if (parents.parent != nullptr) {
        traceID = parents.parent->traceID();
        parentID = parents.parent->spanID();
        flags = parents.parent->flags();
    } else {
        traceID = TraceID(_state->traceId128Bit ? randomID() : 0, randomID());
        if (parents.debugID != nullptr) {
            flags = static_cast<unsigned char>(Flag::kSampled) | static_cast<unsigned char>(Flag::kDebug);
            tags.emplace_back(kJaegerDebugHeader, *parents.debugID);
        } else {
            const samplers::SamplingStatus status = _state->sampler->isSampled(traceID, operationName);
            if (status.isSampled()) {
                flags = static_cast<unsigned char>(Flag::kSampled);
                tags = status.tags();
            }
        }
    }
    const bool sampled = (flags & static_cast<unsigned char>(Flag::kSampled)) != 0;
    const StartTimes times = startTimes(options, sampled);
    std::unique_ptr<Span> span(
        new Span(shared_from_this(), traceID, parentID, flags, operationName, times.system, times.steady));
    for (const auto& reference : options.references) {
        const SpanContext* context = ownContext(reference.second);
        if (context != nullptr) span->_context.inheritBaggage(*context);
    }
    if (!tags.empty()) span->dataLocked().tags = std::move(tags);
    if (!parents.references.empty()) span->dataLocked().references = std::move(parents.references);
    span->_activation = work.push(span->_context);
    if (sampled || span->_activation != nullptr) span->_matters.store(true, std::memory_order_relaxed);
    for (const auto& tag : options.tags) span->SetTag(tag.first, tag.second);
    _state->started.fetch_add(1, std::memory_order_relaxed);
    _state->startedMetric->inc(1);
    return span;
}

namespace {

opentracing::expected<void> injectText(const opentracing::SpanContext& context,
                                       const opentracing::TextMapWriter& writer,
                                       const propagation::HeadersConfig& headers, Carrier carrier) {
    const auto* ours = dynamic_cast<const SpanContext*>(&context);
    if (ours == nullptr) return opentracing::make_unexpected(opentracing::invalid_span_context_error);
    return propagation::inject(*ours, writer, headers, carrier);
}

}  // namespace

opentracing::expected<void> Tracer::Inject(const opentracing::SpanContext& context,
                                           std::ostream& writer) const {
    const auto* ours = dynamic_cast<const SpanContext*>(&context);
    if (ours == nullptr) return opentracing::make_unexpected(opentracing::invalid_span_context_error);
    return propagation::injectBinary(*ours, writer);
}

opentracing::expected<void> Tracer::Inject(const opentracing::SpanContext& context,
                                           const opentracing::TextMapWriter& writer) const {
    return injectText(context, writer, _state->headers, Carrier::TextMap);
}

opentracing::expected<void> Tracer::Inject(const opentracing::SpanContext& context,
                                           const opentracing::HTTPHeadersWriter& writer) const {
    return injectText(context, writer, _state->headers, Carrier::HttpHeaders);
}

opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Tracer::Extract(std::istream& reader) const {
    return propagation::extractBinary(reader);
}

opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Tracer::Extract(
    const opentracing::TextMapReader& reader) const {
    return propagation::extract(reader, _state->headers, Carrier::TextMap);
}

opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Tracer::Extract(
    const opentracing::HTTPHeadersReader& reader) const {
    return propagation::extract(reader, _state->headers, Carrier::HttpHeaders);
}

}  // namespace jaegertracing
