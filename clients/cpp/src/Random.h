// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_RANDOM_H
#define SKUA_SRC_RANDOM_H

#include <cstdint>

namespace jaegertracing {

// A span or trace id: never 0, no lock, different in a forked child.
uint64_t randomID();

// Grows by one in each forked child.
unsigned forkGeneration();

}  // namespace jaegertracing

#endif  // SKUA_SRC_RANDOM_H
