// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_TRACERFACTORY_H
#define JAEGERTRACING_TRACERFACTORY_H

#include <opentracing/tracer_factory.h>

namespace jaegertracing {

// Makes tracers from YAML or JSON text with the keys of Config::parse; service_name is required.
class TracerFactory : public opentracing::TracerFactory {
  public:
    opentracing::expected<std::shared_ptr<opentracing::Tracer>> MakeTracer(
        const char* configuration, std::string& errorMessage) const noexcept override;
};

}  // namespace jaegertracing

#endif  // JAEGERTRACING_TRACERFACTORY_H
