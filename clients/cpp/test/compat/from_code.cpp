// SPDX-License-Identifier: MIT
// Configured in code, in both orders of parameters, with statistics of its own.
#include <jaegertracing/Config.h>
#include <jaegertracing/Tracer.h>
#include <jaegertracing/metrics/NullStatsFactory.h>
#include <jaegertracing/propagation/HeadersConfig.h>
#include <jaegertracing/reporters/Config.h>
#include <jaegertracing/samplers/Config.h>

class PrintingLogger : public jaegertracing::logging::Logger {
  public:
    void error(const std::string&) override { ++count; }
    void info(const std::string&) override { ++count; }
    int count = 0;
};

int main() {
    auto simple = jaegertracing::Config(
        false, jaegertracing::samplers::Config(jaegertracing::kSamplerTypeConst, 1),
        jaegertracing::reporters::Config(jaegertracing::reporters::Config::kDefaultQueueSize,
                                         std::chrono::seconds(1), true));
    auto full = jaegertracing::Config(
        false, true, jaegertracing::samplers::Config(jaegertracing::kSamplerTypeProbabilistic, 0.1),
        jaegertracing::reporters::Config(), jaegertracing::propagation::HeadersConfig("", "", "", ""),
        jaegertracing::baggage::RestrictionsConfig(false, "", std::chrono::steady_clock::duration()),
        "service", {jaegertracing::Tag("key", "value")});
    full.fromEnv();
    auto logger = std::make_shared<PrintingLogger>();
    jaegertracing::metrics::NullStatsFactory statistics;
    auto first = jaegertracing::Tracer::make("first", simple, logger);
    auto second = jaegertracing::Tracer::make("second", full, logger, statistics,
                                              jaegertracing::Tracer::kGen128BitOption);
    auto span = first->StartSpan("span");
    const auto& context = static_cast<const jaegertracing::SpanContext&>(span->context());
    const bool right = context.isSampled() && context.traceID().isValid() && context.spanID() != 0;
    span->Finish();
    std::static_pointer_cast<jaegertracing::Tracer>(first)->close();
    second->Close();
    return right && logger->count > 0 ? 0 : 1;
}
