// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_SAMPLERS_CONFIG_H
#define JAEGERTRACING_SAMPLERS_CONFIG_H

#include <chrono>
#include <memory>
#include <string>

#include "jaegertracing/Constants.h"
#include "jaegertracing/Logging.h"
#include "jaegertracing/samplers/Sampler.h"
#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {
namespace samplers {

class Config {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr double kDefaultSamplingProbability = 0.001;
    static constexpr auto kDefaultSamplingServerURL = "http://127.0.0.1:5778/sampling";
    static constexpr auto kDefaultMaxOperations = 2000;
    static constexpr auto kJAEGER_SAMPLER_TYPE_ENV_PROP = "JAEGER_SAMPLER_TYPE";
    static constexpr auto kJAEGER_SAMPLER_PARAM_ENV_PROP = "JAEGER_SAMPLER_PARAM";
    static constexpr auto kJAEGER_SAMPLING_ENDPOINT_ENV_PROP = "JAEGER_SAMPLING_ENDPOINT";
    static constexpr auto kJAEGER_SAMPLER_MANAGER_HOST_PORT_ENV_PROP = "JAEGER_SAMPLER_MANAGER_HOST_PORT";

    static Clock::duration defaultSamplingRefreshInterval() { return std::chrono::minutes(1); }

    // type: const (param 0 or 1), probabilistic (0 to 1), ratelimiting (traces a second),
    // guaranteedthroughput (probabilistic, but never less than one trace in 10 s), remote.
    explicit Config(const std::string& type = kSamplerTypeRemote, double param = kDefaultSamplingProbability,
                    const std::string& samplingServerURL = kDefaultSamplingServerURL,
                    int maxOperations = kDefaultMaxOperations,
                    const Clock::duration& samplingRefreshInterval = defaultSamplingRefreshInterval());

    // Keys: type, param, samplingServerURL, maxOperations, samplingRefreshInterval (seconds).
    static Config parse(const YAML::Node& node);

    // Null, with an error in the log, when type or param make no sense. `remote` becomes const 1, with a line
    // in the log: the service it asks is gone from Jaeger, and whoever runs a program under Skua wants its
    // traces.
    std::unique_ptr<Sampler> makeSampler(logging::Logger& logger) const;

    const std::string& type() const { return _type; }
    double param() const { return _param; }
    const std::string& samplingServerURL() const { return _samplingServerURL; }
    int maxOperations() const { return _maxOperations; }
    const Clock::duration& samplingRefreshInterval() const { return _samplingRefreshInterval; }

    void fromEnv();
    // SKUA_JAEGER_SAMPLER=type:param (const:1) wins over what the program configured.
    void fromSkua();

  private:
    std::string _type;
    double _param;
    std::string _samplingServerURL;
    int _maxOperations;
    Clock::duration _samplingRefreshInterval;
};

}  // namespace samplers
}  // namespace jaegertracing

#endif  // JAEGERTRACING_SAMPLERS_CONFIG_H
