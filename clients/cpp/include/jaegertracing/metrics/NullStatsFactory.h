// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_METRICS_NULLSTATSFACTORY_H
#define JAEGERTRACING_METRICS_NULLSTATSFACTORY_H

#include "jaegertracing/metrics/StatsFactory.h"

namespace jaegertracing {
namespace metrics {

class NullStatsFactory : public StatsFactory {
  public:
    using StatsFactory::createCounter;
    using StatsFactory::createGauge;
    using StatsFactory::createTimer;

    std::unique_ptr<Counter> createCounter(const std::string&, const TagMap&) override {
        struct Null : Counter {
            void inc(int64_t) override {}
        };
        return std::unique_ptr<Counter>(new Null());
    }
    std::unique_ptr<Timer> createTimer(const std::string&, const TagMap&) override {
        struct Null : Timer {
            void record(int64_t) override {}
        };
        return std::unique_ptr<Timer>(new Null());
    }
    std::unique_ptr<Gauge> createGauge(const std::string&, const TagMap&) override {
        struct Null : Gauge {
            void update(int64_t) override {}
        };
        return std::unique_ptr<Gauge>(new Null());
    }
};

}  // namespace metrics
}  // namespace jaegertracing

#endif  // JAEGERTRACING_METRICS_NULLSTATSFACTORY_H
