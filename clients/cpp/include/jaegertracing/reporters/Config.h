// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_REPORTERS_CONFIG_H
#define JAEGERTRACING_REPORTERS_CONFIG_H

#include <chrono>
#include <string>

#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {
namespace reporters {

class Config {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr auto kDefaultQueueSize = 100;
    static constexpr auto kDefaultLocalAgentHostPort = "127.0.0.1:6831";
    static constexpr auto kDefaultEndpoint = "";
    static constexpr auto kJAEGER_AGENT_HOST_ENV_PROP = "JAEGER_AGENT_HOST";
    static constexpr auto kJAEGER_AGENT_PORT_ENV_PROP = "JAEGER_AGENT_PORT";
    static constexpr auto kJAEGER_ENDPOINT_ENV_PROP = "JAEGER_ENDPOINT";
    static constexpr auto kJAEGER_REPORTER_LOG_SPANS_ENV_PROP = "JAEGER_REPORTER_LOG_SPANS";
    static constexpr auto kJAEGER_REPORTER_FLUSH_INTERVAL_ENV_PROP = "JAEGER_REPORTER_FLUSH_INTERVAL";
    static constexpr auto kJAEGER_REPORTER_MAX_QUEUE_SIZE_ENV_PROP = "JAEGER_REPORTER_MAX_QUEUE_SIZE";

    static Clock::duration defaultBufferFlushInterval() { return std::chrono::seconds(10); }

    // `endpoint` (a collector's HTTP address) is accepted, and reported as unsupported when the tracer is
    // made: spans go to the agent over UDP.
    explicit Config(int queueSize = kDefaultQueueSize,
                    const Clock::duration& bufferFlushInterval = defaultBufferFlushInterval(),
                    bool logSpans = false, const std::string& localAgentHostPort = kDefaultLocalAgentHostPort,
                    const std::string& endpoint = kDefaultEndpoint);

    // Keys: queueSize, bufferFlushInterval (seconds), logSpans, localAgentHostPort, endpoint.
    static Config parse(const YAML::Node& node);

    // Spans that may wait to be sent; more are dropped and counted.
    int queueSize() const { return _queueSize; }
    const Clock::duration& bufferFlushInterval() const { return _bufferFlushInterval; }
    bool logSpans() const { return _logSpans; }
    const std::string& localAgentHostPort() const { return _localAgentHostPort; }
    const std::string& endpoint() const { return _endpoint; }

    // JAEGER_AGENT_HOST, JAEGER_AGENT_PORT, JAEGER_ENDPOINT, JAEGER_REPORTER_{LOG_SPANS,FLUSH_INTERVAL
    // (ms),MAX_QUEUE_SIZE}.
    void fromEnv();
    // SKUA_JAEGER_AGENT=host:port, set by Skua's agent for the programs it starts, wins over what the program
    // configured; spans are then flushed at least ten times a second, for the live view.
    void fromSkua();

  private:
    int _queueSize;
    Clock::duration _bufferFlushInterval;
    bool _logSpans;
    std::string _localAgentHostPort;
    std::string _endpoint;
};

}  // namespace reporters
}  // namespace jaegertracing

#endif  // JAEGERTRACING_REPORTERS_CONFIG_H
