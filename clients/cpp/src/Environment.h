// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_ENVIRONMENT_H
#define SKUA_SRC_ENVIRONMENT_H

#include <cstdlib>
#include <string>

namespace jaegertracing {

inline std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

// Sets `out` and returns true when the whole text is a number.
inline bool parseNumber(const std::string& text, double& out) {
    if (text.empty()) return false;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != '\0') return false;
    out = value;
    return true;
}

inline bool isTrue(const std::string& text) { return text == "true" || text == "TRUE" || text == "1"; }

}  // namespace jaegertracing

#endif  // SKUA_SRC_ENVIRONMENT_H
