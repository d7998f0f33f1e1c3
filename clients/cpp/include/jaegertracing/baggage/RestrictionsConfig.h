// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_BAGGAGE_RESTRICTIONSCONFIG_H
#define JAEGERTRACING_BAGGAGE_RESTRICTIONSCONFIG_H

#include <chrono>
#include <string>

#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {
namespace baggage {

// Accepted so that configurations keep working. Restrictions come from a Jaeger service that no longer
// exists; all baggage is allowed, up to 2048 characters a value.
class RestrictionsConfig {
  public:
    using Clock = std::chrono::steady_clock;

    RestrictionsConfig() = default;
    RestrictionsConfig(bool denyBaggageOnInitializationFailure, const std::string& hostPort,
                       const Clock::duration& refreshInterval)
        : _denyBaggageOnInitializationFailure(denyBaggageOnInitializationFailure),
          _hostPort(hostPort),
          _refreshInterval(refreshInterval) {}

    // Keys: denyBaggageOnInitializationFailure, hostPort, refreshInterval (seconds).
    static RestrictionsConfig parse(const YAML::Node& node);

    bool denyBaggageOnInitializationFailure() const { return _denyBaggageOnInitializationFailure; }
    const std::string& hostPort() const { return _hostPort; }
    const Clock::duration& refreshInterval() const { return _refreshInterval; }

  private:
    bool _denyBaggageOnInitializationFailure = false;
    std::string _hostPort;
    Clock::duration _refreshInterval{};
};

}  // namespace baggage
}  // namespace jaegertracing

#endif  // JAEGERTRACING_BAGGAGE_RESTRICTIONSCONFIG_H
