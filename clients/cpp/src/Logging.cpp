// SPDX-License-Identifier: MIT
#include "jaegertracing/Logging.h"

#include <iostream>

namespace jaegertracing {
namespace logging {
namespace {

class NullLogger : public Logger {
  public:
    void error(const std::string&) override {}
    void info(const std::string&) override {}
};

// One write per line, so that lines of several threads do not mix.
class ConsoleLogger : public Logger {
  public:
    void error(const std::string& message) override {
        std::cerr << ("ERROR: " + message + '\n') << std::flush;
    }
    void info(const std::string& message) override { std::cout << ("INFO: " + message + '\n') << std::flush; }
};

}  // namespace

std::unique_ptr<Logger> nullLogger() { return std::unique_ptr<Logger>(new NullLogger()); }

std::unique_ptr<Logger> consoleLogger() { return std::unique_ptr<Logger>(new ConsoleLogger()); }

}  // namespace logging
}  // namespace jaegertracing
