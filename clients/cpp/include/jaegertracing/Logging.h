// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_LOGGING_H
#define JAEGERTRACING_LOGGING_H

#include <memory>
#include <string>

namespace jaegertracing {
namespace logging {

// Where the tracer reports its own troubles and, with logSpans, each span. Called from any thread.
class Logger {
  public:
    virtual ~Logger() = default;
    virtual void error(const std::string& message) = 0;
    virtual void info(const std::string& message) = 0;
};

std::unique_ptr<Logger> nullLogger();
// Errors go to standard error, the rest to standard output.
std::unique_ptr<Logger> consoleLogger();

}  // namespace logging
}  // namespace jaegertracing

#endif  // JAEGERTRACING_LOGGING_H
