// SPDX-License-Identifier: MIT
// Configuration from YAML, and from JSON, which is YAML too.
#include <system_error>

#include "jaegertracing/Tracer.h"
#include "jaegertracing/TracerFactory.h"

namespace jaegertracing {

#ifdef JAEGERTRACING_WITH_YAML_CPP

namespace {

template <typename Value>
Value get(const YAML::Node& map, const char* key, const Value& fallback) {
    const YAML::Node found = map[key];
    return found.IsDefined() && !found.IsNull() ? found.as<Value>() : fallback;
}

std::chrono::seconds getSeconds(const YAML::Node& map, const char* key) {
    return std::chrono::seconds(get<int>(map, key, 0));
}

bool isMap(const YAML::Node& node) { return node.IsDefined() && node.IsMap(); }

}  // namespace

std::vector<Tag> Tag::parse(const YAML::Node& node) {
    std::vector<Tag> tags;
    if (!isMap(node)) return tags;
    for (const auto& entry : node) {
        if (entry.second.IsScalar())
            tags.emplace_back(entry.first.as<std::string>(), entry.second.as<std::string>());
    }
    return tags;
}

samplers::Config samplers::Config::parse(const YAML::Node& node) {
    if (!isMap(node)) return Config();
    return Config(get<std::string>(node, "type", ""), get<double>(node, "param", -1),
                  get<std::string>(node, "samplingServerURL", ""), get<int>(node, "maxOperations", 0),
                  getSeconds(node, "samplingRefreshInterval"));
}

reporters::Config reporters::Config::parse(const YAML::Node& node) {
    if (!isMap(node)) return Config();
    return Config(get<int>(node, "queueSize", 0), getSeconds(node, "bufferFlushInterval"),
                  get<bool>(node, "logSpans", false), get<std::string>(node, "localAgentHostPort", ""),
                  get<std::string>(node, "endpoint", ""));
}

propagation::HeadersConfig propagation::HeadersConfig::parse(const YAML::Node& node) {
    if (!isMap(node)) return HeadersConfig();
    const bool w3c = get<std::string>(node, "TraceContextHeaderFormat", "") == "w3c";
    return HeadersConfig(
        get<std::string>(node, "jaegerDebugHeader", ""), get<std::string>(node, "jaegerBaggageHeader", ""),
        get<std::string>(node, "TraceContextHeaderName", ""),
        get<std::string>(node, "traceBaggageHeaderPrefix", ""), w3c ? Format::W3C : Format::JAEGER);
}

baggage::RestrictionsConfig baggage::RestrictionsConfig::parse(const YAML::Node& node) {
    if (!isMap(node)) return RestrictionsConfig();
    return RestrictionsConfig(get<bool>(node, "denyBaggageOnInitializationFailure", false),
                              get<std::string>(node, "hostPort", ""), getSeconds(node, "refreshInterval"));
}

Config Config::parse(const YAML::Node& node) {
    if (!isMap(node)) return Config();
    const bool w3c = get<std::string>(node, "propagation_format", "jaeger") == "w3c";
    return Config(get<bool>(node, "disabled", false), get<bool>(node, "traceid_128bit", false),
                  samplers::Config::parse(node["sampler"]), reporters::Config::parse(node["reporter"]),
                  propagation::HeadersConfig::parse(node["headers"]),
                  baggage::RestrictionsConfig::parse(node["baggage_restrictions"]),
                  get<std::string>(node, "service_name", ""), Tag::parse(node["tags"]),
                  w3c ? propagation::Format::W3C : propagation::Format::JAEGER);
}

opentracing::expected<std::shared_ptr<opentracing::Tracer>> TracerFactory::MakeTracer(
    const char* configuration, std::string& errorMessage) const noexcept {
    try {
        const YAML::Node node = YAML::Load(configuration);
        if (!node.IsMap()) {
            errorMessage = "The tracer's configuration must be a JSON or YAML map.";
            return opentracing::make_unexpected(opentracing::configuration_parse_error);
        }
        Config config = Config::parse(node);
        config.fromEnv();
        return Tracer::make(config);
    } catch (const YAML::Exception& problem) {
        errorMessage = problem.what();
        return opentracing::make_unexpected(opentracing::configuration_parse_error);
    } catch (const std::bad_alloc&) {
        return opentracing::make_unexpected(std::make_error_code(std::errc::not_enough_memory));
    } catch (const std::exception& problem) {
        errorMessage = problem.what();
        return opentracing::make_unexpected(opentracing::invalid_configuration_error);
    }
}

#else

opentracing::expected<std::shared_ptr<opentracing::Tracer>> TracerFactory::MakeTracer(
    const char*, std::string& errorMessage) const noexcept {
    errorMessage = "This library was built without yaml-cpp, so it cannot read a configuration.";
    return opentracing::make_unexpected(std::make_error_code(std::errc::not_supported));
}

#endif

}  // namespace jaegertracing
