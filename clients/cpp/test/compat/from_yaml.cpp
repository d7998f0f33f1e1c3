// SPDX-License-Identifier: MIT
// A program as people wrote them for jaeger-client-cpp, configured by YAML. It names nothing of Skua: it must
// only compile and run.
#include <jaegertracing/Tracer.h>

#include <chrono>
#include <thread>

static void startTracing() {
    constexpr auto kYaml = R"cfg(
        disabled: false
        sampler:
            type: const
            param: 1
        reporter:
            queueSize: 100
            bufferFlushInterval: 10
            logSpans: false
            localAgentHostPort: 127.0.0.1:6831
        headers:
            jaegerDebugHeader: debug-id
            jaegerBaggageHeader: baggage
            TraceContextHeaderName: trace-id
            traceBaggageHeaderPrefix: "testctx-"
        baggage_restrictions:
            denyBaggageOnInitializationFailure: false
            hostPort: 127.0.0.1:5778
            refreshInterval: 60
        )cfg";
    const auto config = jaegertracing::Config::parse(YAML::Load(kYaml));
    auto tracer = jaegertracing::Tracer::make("database", config);
    opentracing::Tracer::InitGlobal(tracer);
}

int main() {
    startTracing();
    auto tracer = opentracing::Tracer::Global();
    auto span = tracer->StartSpan("abc");
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
    span->Finish();
    opentracing::Tracer::Global()->Close();
}
