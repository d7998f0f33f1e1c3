// SPDX-License-Identifier: MIT
#include <jaegertracing/Tracer.h>
#include <opentracing/dynamic_load.h>

#include <thread>

#include "Agent.h"

using jaegertracing::Config;
using jaegertracing::Tracer;

namespace {

struct Recorder : jaegertracing::logging::Logger {
    std::string errors;
    std::string infos;
    void error(const std::string& message) override { errors += message + '\n'; }
    void info(const std::string& message) override { infos += message + '\n'; }
};

void yaml() {
    const auto config = Config::parse(YAML::Load(R"(
service_name: shop
traceid_128bit: true
tags: { region: eu, tier: 1 }
sampler: { type: probabilistic, param: 0.25, maxOperations: 7 }
reporter: { queueSize: 33, bufferFlushInterval: 45, logSpans: true, localAgentHostPort: "127.0.0.1:35001" }
headers:
  jaegerDebugHeader: debug-id
  jaegerBaggageHeader: baggage
  TraceContextHeaderName: trace-id
  traceBaggageHeaderPrefix: "testctx-"
baggage_restrictions: { denyBaggageOnInitializationFailure: true, hostPort: "h:1", refreshInterval: 60 }
)"));
    CHECK_EQUAL(config.serviceName(), std::string("shop"));
    CHECK(config.traceId128Bit() && !config.disabled());
    CHECK_EQUAL(config.tags().size(), size_t(2));
    CHECK_EQUAL(config.sampler().type(), std::string("probabilistic"));
    CHECK_EQUAL(config.sampler().param(), 0.25);
    CHECK_EQUAL(config.sampler().maxOperations(), 7);
    CHECK_EQUAL(config.reporter().queueSize(), 33);
    CHECK(config.reporter().bufferFlushInterval() == std::chrono::seconds(45));
    CHECK(config.reporter().logSpans());
    CHECK_EQUAL(config.reporter().localAgentHostPort(), std::string("127.0.0.1:35001"));
    CHECK_EQUAL(config.headers().traceContextHeaderName(), std::string("trace-id"));
    CHECK_EQUAL(config.headers().traceBaggageHeaderPrefix(), std::string("testctx-"));
    CHECK(config.baggageRestrictions().denyBaggageOnInitializationFailure());

    const auto defaults = Config::parse(YAML::Load("[]"));
    CHECK_EQUAL(defaults.sampler().type(), std::string("remote"));
    CHECK_EQUAL(defaults.reporter().queueSize(), 100);
    CHECK_EQUAL(Config::parse(YAML::Load("sampler: { type: const, param: 0 }")).sampler().param(), 0.0);
}

void fromEnvironment() {
    const std::pair<const char*, const char*> variables[] = {
        {"JAEGER_SERVICE_NAME", "from-env"},
        {"JAEGER_AGENT_HOST", "10.0.0.1"},
        {"JAEGER_AGENT_PORT", "45"},
        {"JAEGER_SAMPLER_TYPE", "const"},
        {"JAEGER_SAMPLER_PARAM", "1"},
        {"JAEGER_REPORTER_FLUSH_INTERVAL", "45"},
        {"JAEGER_REPORTER_MAX_QUEUE_SIZE", "33"},
        {"JAEGER_REPORTER_LOG_SPANS", "true"},
        {"JAEGER_PROPAGATION", "w3c"},
        {"JAEGER_TRACEID_128BIT", "true"},
        {"JAEGER_TAGS", "a=b,home=${HOME:none},x=${NOPE:fallback}"}};
    setenv("HOME", "/root", 1);
    unsetenv("NOPE");
    for (const auto& variable : variables) setenv(variable.first, variable.second, 1);
    Config config;
    config.fromEnv();
    for (const auto& variable : variables) unsetenv(variable.first);
    CHECK_EQUAL(config.serviceName(), std::string("from-env"));
    CHECK_EQUAL(config.reporter().localAgentHostPort(), std::string("10.0.0.1:45"));
    CHECK_EQUAL(config.sampler().type(), std::string("const"));
    CHECK_EQUAL(config.sampler().param(), 1.0);
    CHECK(config.reporter().bufferFlushInterval() == std::chrono::milliseconds(45));
    CHECK_EQUAL(config.reporter().queueSize(), 33);
    CHECK(config.reporter().logSpans() && config.traceId128Bit());
    CHECK_EQUAL(config.headers().traceContextHeaderName(), std::string("traceparent"));
    CHECK_EQUAL(config.tags().size(), size_t(3));
    CHECK_EQUAL(config.tags()[1].value().get<std::string>(), std::string("/root"));
    CHECK_EQUAL(config.tags()[2].value().get<std::string>(), std::string("fallback"));
}

void samplers() {
    Recorder log;
    const auto make = [&log](const char* type, double param) {
        return jaegertracing::samplers::Config(type, param).makeSampler(log);
    };
    const auto share = [](jaegertracing::samplers::Sampler& sampler) {
        int sampled = 0;
        for (uint64_t i = 0; i < 10000; ++i)
            sampled += sampler.isSampled(jaegertracing::TraceID(0, i * 0x9e3779b97f4a7c15U), "op").isSampled()
                           ? 1
                           : 0;
        return sampled;
    };
    CHECK_EQUAL(share(*make("const", 1)), 10000);
    CHECK_EQUAL(share(*make("const", 0)), 0);
    CHECK_EQUAL(share(*make("probabilistic", 0)), 0);
    CHECK_EQUAL(share(*make("probabilistic", 1)), 10000);
    const int quarter = share(*make("Probabilistic", 0.25));
    CHECK(quarter > 2300 && quarter < 2700);
    // The bucket holds three; ten thousand questions take far less than a third of a second.
    const auto limited = make("ratelimiting", 3);
    const int burst = share(*limited);
    CHECK(burst >= 3 && burst <= 4);
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    CHECK(share(*limited) >= 2);
    CHECK_EQUAL(share(*make("guaranteedthroughput", 0)), 1);
    CHECK(make("probabilistic", 1.5) == nullptr);
    CHECK(make("nonsense", 1) == nullptr);
    CHECK(log.errors.find("1.5") != std::string::npos && log.errors.find("nonsense") != std::string::npos);
    CHECK_EQUAL(share(*make("remote", 0.001)), 10000);
    CHECK(log.infos.find("remote is not supported") != std::string::npos);
}

void makingTracers() {
    bool thrown = false;
    try {
        (void)Tracer::make(Config());
    } catch (const std::invalid_argument&) {
        thrown = true;
    }
    CHECK(thrown);
    auto disabled = Tracer::make("svc", Config(true));
    CHECK(std::dynamic_pointer_cast<Tracer>(disabled) == nullptr);
    CHECK(disabled->StartSpan("s") != nullptr);

    auto log = std::make_shared<Recorder>();
    Agent agent;
    auto tracer = Tracer::make("svc",
                               Config(false, jaegertracing::samplers::Config("const", 1),
                                      jaegertracing::reporters::Config(10, std::chrono::seconds(1), true,
                                                                       agent.hostPort(), "http://c:1")),
                               log);
    tracer->StartSpan("logged")->Finish();
    tracer->Close();
    CHECK(log->infos.find("logged") != std::string::npos);
    CHECK(log->errors.find("http://c:1") != std::string::npos);
}

void dynamicLoader(const char* library) {
    std::string error;
    auto handle = opentracing::DynamicallyLoadTracingLibrary(library, error);
    CHECK_EQUAL(error, std::string());
    CHECK(handle);
    Agent agent;
    const auto& factory = handle->tracer_factory();
    const std::string json =
        R"({"service_name":"loaded","sampler":{"type":"const","param":1},"reporter":{"localAgentHostPort":")" +
        agent.hostPort() + R"("}})";
    {
        auto tracer = factory.MakeTracer(json.c_str(), error);
        CHECK(tracer);
        (*tracer)->StartSpan("s")->Finish();
        (*tracer)->Close();
    }
    const auto batches = agent.batches();
    CHECK_EQUAL(batches.size(), size_t(1));
    CHECK_EQUAL(batches[0].at(1).at(1).text, std::string("loaded"));
    CHECK(!factory.MakeTracer("{", error) && !error.empty());
    CHECK(!factory.MakeTracer("[]", error));
    CHECK(!factory.MakeTracer(R"({"service_name":"s","sampler":{"type":"const","param":"many"}})", error));
    const auto nameless = factory.MakeTracer("{}", error);
    CHECK(!nameless && nameless.error() == opentracing::invalid_configuration_error);
}

}  // namespace

int main(int argc, char** argv) {
    yaml();
    fromEnvironment();
    samplers();
    makingTracers();
    CHECK(argc == 2);
    dynamicLoader(argv[1]);
    std::cout << "ok\n";
}
