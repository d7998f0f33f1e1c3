// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_CONFIG_H
#define JAEGERTRACING_CONFIG_H

#include <string>
#include <vector>

#include "jaegertracing/Constants.h"
#include "jaegertracing/Tag.h"
#include "jaegertracing/baggage/RestrictionsConfig.h"
#include "jaegertracing/propagation/Format.h"
#include "jaegertracing/propagation/HeadersConfig.h"
#include "jaegertracing/reporters/Config.h"
#include "jaegertracing/samplers/Config.h"
#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {

class Config {
  public:
    static constexpr auto kJAEGER_SERVICE_NAME_ENV_PROP = "JAEGER_SERVICE_NAME";
    static constexpr auto kJAEGER_TAGS_ENV_PROP = "JAEGER_TAGS";
    static constexpr auto kJAEGER_JAEGER_DISABLED_ENV_PROP = "JAEGER_DISABLED";
    static constexpr auto kJAEGER_JAEGER_TRACEID_128BIT_ENV_PROP = "JAEGER_TRACEID_128BIT";
    static constexpr auto kJAEGER_PROPAGATION_ENV_PROP = "JAEGER_PROPAGATION";

    // Programs were written for two orders of parameters: with traceId128Bit (0.6 and later) and without.
    explicit Config(bool disabled = false, bool traceId128Bit = false,
                    const samplers::Config& sampler = samplers::Config(),
                    const reporters::Config& reporter = reporters::Config(),
                    const propagation::HeadersConfig& headers = propagation::HeadersConfig(),
                    const baggage::RestrictionsConfig& baggageRestrictions = baggage::RestrictionsConfig(),
                    const std::string& serviceName = "", const std::vector<Tag>& tags = std::vector<Tag>(),
                    propagation::Format propagationFormat = propagation::Format::JAEGER);
    Config(bool disabled, const samplers::Config& sampler,
           const reporters::Config& reporter = reporters::Config(),
           const propagation::HeadersConfig& headers = propagation::HeadersConfig(),
           const baggage::RestrictionsConfig& baggageRestrictions = baggage::RestrictionsConfig(),
           const std::string& serviceName = "", const std::vector<Tag>& tags = std::vector<Tag>())
        : Config(disabled, false, sampler, reporter, headers, baggageRestrictions, serviceName, tags) {}

    // Keys: service_name, disabled, traceid_128bit, propagation_format (jaeger, w3c), tags, and the maps
    // sampler, reporter, headers, baggage_restrictions. What is no map gives the defaults. Throws
    // YAML::Exception on a value of the wrong type.
    static Config parse(const YAML::Node& node);

    bool disabled() const { return _disabled; }
    bool traceId128Bit() const { return _traceId128Bit; }
    propagation::Format propagationFormat() const { return _headers.traceContextHeaderFormat(); }
    const samplers::Config& sampler() const { return _sampler; }
    const reporters::Config& reporter() const { return _reporter; }
    const propagation::HeadersConfig& headers() const { return _headers; }
    const baggage::RestrictionsConfig& baggageRestrictions() const { return _baggageRestrictions; }
    const std::string& serviceName() const { return _serviceName; }
    const std::vector<Tag>& tags() const { return _tags; }

    // Overrides with what the JAEGER_* variables of the environment say.
    void fromEnv();

  private:
    bool _disabled;
    bool _traceId128Bit;
    std::string _serviceName;
    std::vector<Tag> _tags;
    samplers::Config _sampler;
    reporters::Config _reporter;
    propagation::HeadersConfig _headers;
    baggage::RestrictionsConfig _baggageRestrictions;
};

}  // namespace jaegertracing

#endif  // JAEGERTRACING_CONFIG_H
