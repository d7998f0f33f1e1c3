// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_PROPAGATION_HEADERSCONFIG_H
#define JAEGERTRACING_PROPAGATION_HEADERSCONFIG_H

#include <string>

#include "jaegertracing/propagation/Format.h"
#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {
namespace propagation {

// Names of the headers in which a context travels. An empty name means the default.
class HeadersConfig {
  public:
    HeadersConfig() : HeadersConfig("", "", "", "") {}
    HeadersConfig(const std::string& jaegerDebugHeader, const std::string& jaegerBaggageHeader,
                  const std::string& traceContextHeaderName, const std::string& traceBaggageHeaderPrefix,
                  Format traceContextHeaderFormat = Format::JAEGER);

    // Keys: jaegerDebugHeader, jaegerBaggageHeader, TraceContextHeaderName, traceBaggageHeaderPrefix,
    // TraceContextHeaderFormat.
    static HeadersConfig parse(const YAML::Node& node);

    const std::string& jaegerDebugHeader() const { return _jaegerDebugHeader; }
    const std::string& jaegerBaggageHeader() const { return _jaegerBaggageHeader; }
    const std::string& traceContextHeaderName() const { return _traceContextHeaderName; }
    const std::string& traceBaggageHeaderPrefix() const { return _traceBaggageHeaderPrefix; }
    Format traceContextHeaderFormat() const { return _format; }

    // JAEGER_PROPAGATION: "jaeger" or "w3c".
    void fromEnv();
    void setFormat(Format format);

  private:
    std::string _jaegerDebugHeader;
    std::string _jaegerBaggageHeader;
    std::string _traceContextHeaderName;
    std::string _traceBaggageHeaderPrefix;
    Format _format;
};

}  // namespace propagation
}  // namespace jaegertracing

#endif  // JAEGERTRACING_PROPAGATION_HEADERSCONFIG_H
