// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_METRICS_STATSFACTORY_H
#define JAEGERTRACING_METRICS_STATSFACTORY_H

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace jaegertracing {
namespace metrics {

class Counter {
  public:
    virtual ~Counter() = default;
    virtual void inc(int64_t delta) = 0;
};

class Gauge {
  public:
    virtual ~Gauge() = default;
    virtual void update(int64_t amount) = 0;
};

class Timer {
  public:
    virtual ~Timer() = default;
    virtual void record(int64_t time) = 0;
};

// Implemented by a program that wants the tracer's own counts in its metrics system. Its objects are called
// from any thread.
class StatsFactory {
  public:
    using TagMap = std::unordered_map<std::string, std::string>;

    virtual ~StatsFactory() = default;
    std::unique_ptr<Counter> createCounter(const std::string& name) { return createCounter(name, TagMap()); }
    std::unique_ptr<Timer> createTimer(const std::string& name) { return createTimer(name, TagMap()); }
    std::unique_ptr<Gauge> createGauge(const std::string& name) { return createGauge(name, TagMap()); }
    virtual std::unique_ptr<Counter> createCounter(const std::string& name, const TagMap& tags) = 0;
    virtual std::unique_ptr<Timer> createTimer(const std::string& name, const TagMap& tags) = 0;
    virtual std::unique_ptr<Gauge> createGauge(const std::string& name, const TagMap& tags) = 0;
};

}  // namespace metrics
}  // namespace jaegertracing

#endif  // JAEGERTRACING_METRICS_STATSFACTORY_H
