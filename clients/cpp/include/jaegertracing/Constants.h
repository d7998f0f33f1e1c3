// SPDX-License-Identifier: MIT
// Names and defaults that programs and other Jaeger clients rely on
// (https://www.jaegertracing.io/docs/1.x/client-libraries/).
#ifndef JAEGERTRACING_CONSTANTS_H
#define JAEGERTRACING_CONSTANTS_H

// YAML configuration is there when yaml-cpp's headers are; define JAEGERTRACING_NO_YAML_CPP to compile
// without them.
#if !defined(JAEGERTRACING_WITH_YAML_CPP) && !defined(JAEGERTRACING_NO_YAML_CPP)
#if __has_include(<yaml-cpp/yaml.h>)
#define JAEGERTRACING_WITH_YAML_CPP
#endif
#endif

namespace jaegertracing {

constexpr auto kJaegerClientVersion = "C++-skua-0.1.0";
constexpr auto kJaegerClientVersionTagKey = "jaeger.version";
constexpr auto kJaegerDebugHeader = "jaeger-debug-id";
constexpr auto kJaegerBaggageHeader = "jaeger-baggage";
constexpr auto kTracerHostnameTagKey = "hostname";
constexpr auto kTracerIPTagKey = "ip";
constexpr auto kSamplerTypeTagKey = "sampler.type";
constexpr auto kSamplerParamTagKey = "sampler.param";
constexpr auto kTraceContextHeaderName = "uber-trace-id";
constexpr auto kTracerStateHeaderName = kTraceContextHeaderName;
constexpr auto kW3CTraceContextHeaderName = "traceparent";
constexpr auto kTraceBaggageHeaderPrefix = "uberctx-";
constexpr auto kSamplerTypeConst = "const";
constexpr auto kSamplerTypeRemote = "remote";
constexpr auto kSamplerTypeProbabilistic = "probabilistic";
constexpr auto kSamplerTypeRateLimiting = "ratelimiting";
constexpr auto kSamplerTypeLowerBound = "lowerbound";
constexpr auto kSamplerTypeGuaranteedThroughput = "guaranteedthroughput";

}  // namespace jaegertracing

#endif  // JAEGERTRACING_CONSTANTS_H
