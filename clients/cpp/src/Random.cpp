// SPDX-License-Identifier: MIT
#include "Random.h"

#include <pthread.h>
#include <sys/random.h>

#include <atomic>
#include <chrono>

namespace jaegertracing {
namespace {

std::atomic<unsigned> generation{1};

struct AtFork {
    AtFork() {
        pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
    }
};

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): one word of state,
// full period.
uint64_t splitMix(uint64_t& state) {
    uint64_t z = (state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t seed() {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value) return value;
    // Before the kernel's pool is ready, early in boot: distinct ids matter here, secrecy does not.
    value = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    return value ^ reinterpret_cast<uintptr_t>(&value);
}

}  // namespace

unsigned forkGeneration() {
    static const AtFork atFork;
    return generation.load(std::memory_order_relaxed);
}

uint64_t randomID() {
    thread_local uint64_t state = 0;
    thread_local unsigned seededIn = 0;
    const unsigned now = forkGeneration();
    if (seededIn != now) {
        state = seed();
        seededIn = now;
    }
    for (;;) {
        const uint64_t id = splitMix(state);
        if (id != 0) return id;
    }
}

}  // namespace jaegertracing
