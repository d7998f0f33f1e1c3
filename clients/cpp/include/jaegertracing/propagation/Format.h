// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_PROPAGATION_FORMAT_H
#define JAEGERTRACING_PROPAGATION_FORMAT_H

namespace jaegertracing {
namespace propagation {

// JAEGER: uber-trace-id. W3C: traceparent (https://www.w3.org/TR/trace-context/).
enum class Format { JAEGER, W3C };

}  // namespace propagation
}  // namespace jaegertracing

#endif  // JAEGERTRACING_PROPAGATION_FORMAT_H
