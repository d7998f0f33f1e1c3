// SPDX-License-Identifier: MIT
// OpenTracing tracer that speaks Jaeger and tells the Linux kernel, through Skua's modules, which span a
// thread is in. Source compatible with what jaeger-client-cpp documents.
#ifndef JAEGERTRACING_TRACER_H
#define JAEGERTRACING_TRACER_H

#include <opentracing/noop.h>
#include <opentracing/tracer.h>

#include <cassert>
#include <memory>
#include <string>
#include <vector>

#include "jaegertracing/Config.h"
#include "jaegertracing/Constants.h"
#include "jaegertracing/Logging.h"
#include "jaegertracing/Span.h"
#include "jaegertracing/SpanContext.h"
#include "jaegertracing/Tag.h"
#include "jaegertracing/metrics/NullStatsFactory.h"
#include "jaegertracing/metrics/StatsFactory.h"

namespace jaegertracing {

class Tracer : public opentracing::Tracer, public std::enable_shared_from_this<Tracer> {
  public:
    using string_view = opentracing::string_view;

    static constexpr auto kGen128BitOption = 1;

    // Returns a tracer that does nothing when the configuration says disabled. Throws std::invalid_argument
    // when there is no service name or the sampler's configuration makes no sense. An agent that cannot be
    // reached is not an error: spans are dropped and counted.
    static std::shared_ptr<opentracing::Tracer> make(const Config& config);
    static std::shared_ptr<opentracing::Tracer> make(const std::string& serviceName, const Config& config);
    static std::shared_ptr<opentracing::Tracer> make(const std::string& serviceName, const Config& config,
                                                     const std::shared_ptr<logging::Logger>& logger);
    static std::shared_ptr<opentracing::Tracer> make(const std::string& serviceName, const Config& config,
                                                     const std::shared_ptr<logging::Logger>& logger,
                                                     metrics::StatsFactory& statsFactory);
    static std::shared_ptr<opentracing::Tracer> make(const std::string& serviceName, const Config& config,
                                                     const std::shared_ptr<logging::Logger>& logger,
                                                     metrics::StatsFactory& statsFactory, int options);

    ~Tracer() override;

    std::unique_ptr<opentracing::Span> StartSpanWithOptions(
        string_view operationName, const opentracing::StartSpanOptions& options) const noexcept override;

    opentracing::expected<void> Inject(const opentracing::SpanContext& context,
                                       std::ostream& writer) const override;
    opentracing::expected<void> Inject(const opentracing::SpanContext& context,
                                       const opentracing::TextMapWriter& writer) const override;
    opentracing::expected<void> Inject(const opentracing::SpanContext& context,
                                       const opentracing::HTTPHeadersWriter& writer) const override;
    opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Extract(
        std::istream& reader) const override;
    opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Extract(
        const opentracing::TextMapReader& reader) const override;
    opentracing::expected<std::unique_ptr<opentracing::SpanContext>> Extract(
        const opentracing::HTTPHeadersReader& reader) const override;

    // Sends what is queued and stops reporting. Called by the destructor too.
    void Close() noexcept override;
    void close() noexcept { Close(); }

    const std::string& serviceName() const;
    // Of the process: client version, host name, address, those of the configuration.
    const std::vector<Tag>& tags() const;

    struct Statistics {
        uint64_t started = 0;        // spans, sampled or not
        uint64_t finished = 0;       // spans, sampled or not
        uint64_t reported = 0;       // spans handed to the network
        uint64_t droppedQueue = 0;   // spans that found the queue full
        uint64_t droppedLarge = 0;   // spans that fit in no datagram
        uint64_t droppedFailed = 0;  // spans in datagrams that could not be sent
    };
    Statistics statistics() const;

  private:
    friend class Span;
    struct State;

    explicit Tracer(std::unique_ptr<State> state);
    std::unique_ptr<Span> startSpan(string_view operationName,
                                    const opentracing::StartSpanOptions& options) const;
    void report(SpanData&& span) const;
    void countFinished() const;

    const std::unique_ptr<State> _state;
};

}  // namespace jaegertracing

#endif  // JAEGERTRACING_TRACER_H
