// SPDX-License-Identifier: MIT
#include "jaegertracing/Config.h"

#include <sstream>

#include "Environment.h"

namespace jaegertracing {
namespace {

using propagation::Format;

std::string orDefault(const std::string& value, const char* fallback) {
    return value.empty() ? fallback : value;
}

// The value of JAEGER_TAGS: key=value pairs with commas between; ${NAME:default} takes the value from the
// environment.
std::vector<Tag> parseTags(const std::string& text) {
    std::vector<Tag> tags;
    std::istringstream pairs(text);
    std::string pair;
    while (std::getline(pairs, pair, ',')) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos) continue;
        std::string value = pair.substr(equals + 1);
        if (value.size() > 3 && value.compare(0, 2, "${") == 0 && value.back() == '}') {
            const std::string inner = value.substr(2, value.size() - 3);
            const auto colon = inner.find(':');
            const std::string found = environment(inner.substr(0, colon).c_str());
            value = !found.empty() || colon == std::string::npos ? found : inner.substr(colon + 1);
        }
        tags.emplace_back(pair.substr(0, equals), value);
    }
    return tags;
}

}  // namespace

namespace samplers {

Config::Config(const std::string& type, double param, const std::string& samplingServerURL, int maxOperations,
               const Clock::duration& samplingRefreshInterval)
    : _type(orDefault(type, kSamplerTypeRemote)),
      _param(param == -1 ? kDefaultSamplingProbability : param),
      _samplingServerURL(orDefault(samplingServerURL, kDefaultSamplingServerURL)),
      _maxOperations(maxOperations == 0 ? kDefaultMaxOperations : maxOperations),
      _samplingRefreshInterval(samplingRefreshInterval.count() > 0 ? samplingRefreshInterval
                                                                   : defaultSamplingRefreshInterval()) {}

void Config::fromEnv() {
    _type = orDefault(environment(kJAEGER_SAMPLER_TYPE_ENV_PROP), _type.c_str());
    parseNumber(environment(kJAEGER_SAMPLER_PARAM_ENV_PROP), _param);
    const std::string hostPort = environment(kJAEGER_SAMPLER_MANAGER_HOST_PORT_ENV_PROP);
    if (!hostPort.empty()) _samplingServerURL = "http://" + hostPort + "/sampling";
    _samplingServerURL =
        orDefault(environment(kJAEGER_SAMPLING_ENDPOINT_ENV_PROP), _samplingServerURL.c_str());
}

void Config::fromSkua() {
    const std::string text = environment("SKUA_JAEGER_SAMPLER");
    const auto colon = text.find(':');
    double param = 0;
    if (colon == std::string::npos || !parseNumber(text.substr(colon + 1), param)) return;
    _type = text.substr(0, colon);
    _param = param;
}

}  // namespace samplers

namespace reporters {

Config::Config(int queueSize, const Clock::duration& bufferFlushInterval, bool logSpans,
               const std::string& localAgentHostPort, const std::string& endpoint)
    : _queueSize(queueSize > 0 ? queueSize : kDefaultQueueSize),
      _bufferFlushInterval(bufferFlushInterval.count() > 0 ? bufferFlushInterval
                                                           : defaultBufferFlushInterval()),
      _logSpans(logSpans),
      _localAgentHostPort(orDefault(localAgentHostPort, kDefaultLocalAgentHostPort)),
      _endpoint(endpoint) {}

void Config::fromEnv() {
    const std::string host = environment(kJAEGER_AGENT_HOST_ENV_PROP);
    const std::string port = environment(kJAEGER_AGENT_PORT_ENV_PROP);
    const auto colon = _localAgentHostPort.rfind(':');
    if (!host.empty() || !port.empty()) {
        const std::string oldPort =
            colon == std::string::npos ? "6831" : _localAgentHostPort.substr(colon + 1);
        _localAgentHostPort = orDefault(host, _localAgentHostPort.substr(0, colon).c_str()) + ":" +
                              orDefault(port, oldPort.c_str());
    }
    _endpoint = orDefault(environment(kJAEGER_ENDPOINT_ENV_PROP), _endpoint.c_str());
    const std::string logSpans = environment(kJAEGER_REPORTER_LOG_SPANS_ENV_PROP);
    if (!logSpans.empty()) _logSpans = isTrue(logSpans);
    double number = 0;
    if (parseNumber(environment(kJAEGER_REPORTER_FLUSH_INTERVAL_ENV_PROP), number) && number > 0)
        _bufferFlushInterval = std::chrono::milliseconds(static_cast<int64_t>(number));
    if (parseNumber(environment(kJAEGER_REPORTER_MAX_QUEUE_SIZE_ENV_PROP), number) && number > 0)
        _queueSize = static_cast<int>(number);
}

void Config::fromSkua() {
    constexpr auto kLiveFlushInterval = std::chrono::milliseconds(100);
    const std::string agent = environment("SKUA_JAEGER_AGENT");
    if (agent.empty()) return;
    _localAgentHostPort = agent;
    _endpoint.clear();
    if (_bufferFlushInterval > kLiveFlushInterval) _bufferFlushInterval = kLiveFlushInterval;
}

}  // namespace reporters

namespace propagation {

HeadersConfig::HeadersConfig(const std::string& jaegerDebugHeader, const std::string& jaegerBaggageHeader,
                             const std::string& traceContextHeaderName,
                             const std::string& traceBaggageHeaderPrefix, Format traceContextHeaderFormat)
    : _jaegerDebugHeader(orDefault(jaegerDebugHeader, kJaegerDebugHeader)),
      _jaegerBaggageHeader(orDefault(jaegerBaggageHeader, kJaegerBaggageHeader)),
      _traceContextHeaderName(orDefault(traceContextHeaderName, traceContextHeaderFormat == Format::W3C
                                                                    ? kW3CTraceContextHeaderName
                                                                    : kTraceContextHeaderName)),
      _traceBaggageHeaderPrefix(orDefault(traceBaggageHeaderPrefix, kTraceBaggageHeaderPrefix)),
      _format(traceContextHeaderFormat) {}

void HeadersConfig::setFormat(Format format) {
    if (format == _format) return;
    _format = format;
    _traceContextHeaderName = format == Format::W3C ? kW3CTraceContextHeaderName : kTraceContextHeaderName;
}

void HeadersConfig::fromEnv() {
    const std::string format = environment(jaegertracing::Config::kJAEGER_PROPAGATION_ENV_PROP);
    if (format == "w3c") setFormat(Format::W3C);
    if (format == "jaeger") setFormat(Format::JAEGER);
}

}  // namespace propagation

Config::Config(bool disabled, bool traceId128Bit, const samplers::Config& sampler,
               const reporters::Config& reporter, const propagation::HeadersConfig& headers,
               const baggage::RestrictionsConfig& baggageRestrictions, const std::string& serviceName,
               const std::vector<Tag>& tags, Format propagationFormat)
    : _disabled(disabled),
      _traceId128Bit(traceId128Bit),
      _serviceName(serviceName),
      _tags(tags),
      _sampler(sampler),
      _reporter(reporter),
      _headers(headers),
      _baggageRestrictions(baggageRestrictions) {
    if (propagationFormat == Format::W3C) _headers.setFormat(Format::W3C);
}

void Config::fromEnv() {
    _serviceName = orDefault(environment(kJAEGER_SERVICE_NAME_ENV_PROP), _serviceName.c_str());
    const std::string disabled = environment(kJAEGER_JAEGER_DISABLED_ENV_PROP);
    if (!disabled.empty()) _disabled = isTrue(disabled);
    const std::string bits = environment(kJAEGER_JAEGER_TRACEID_128BIT_ENV_PROP);
    if (!bits.empty()) _traceId128Bit = isTrue(bits);
    for (const Tag& tag : parseTags(environment(kJAEGER_TAGS_ENV_PROP))) _tags.push_back(tag);
    _sampler.fromEnv();
    _reporter.fromEnv();
    _headers.fromEnv();
}

}  // namespace jaegertracing
