// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_ACTIVATION_H
#define SKUA_SRC_ACTIVATION_H

#include <atomic>
#include <cstdint>
#include <memory>

#include "jaegertracing/SpanContext.h"

namespace jaegertracing {

// One span's place in the stack of active spans of the thread that started it.
class Activation {
  public:
    explicit Activation(const SpanContext& context);

    uint8_t traceID[16];
    uint8_t spanID[8];
    std::atomic<bool> sampled;
    // Set by whichever thread finishes the span. The owner drops finished activations from its stack the next
    // time it works.
    std::atomic<bool> finished{false};
};

/*
 * While the tracer itself works (allocates, locks, reads clocks, queues a span) the thread is detached: the
 *program's spans contain the program's system calls only. At the end the innermost unfinished span is
 *published, or nothing.
 *
 *	request  ├──────┤            ├──────┤
 *	work             ├──────────┤
 *	tracer          ▒            ▒
 */
class TracerAtWork {
  public:
    TracerAtWork();
    ~TracerAtWork();
    TracerAtWork(const TracerAtWork&) = delete;
    TracerAtWork& operator=(const TracerAtWork&) = delete;

    // Puts the span on top of this thread's stack. Returns null for an unsampled span with nothing below it.
    std::shared_ptr<Activation> push(const SpanContext& context);
    // The span is over, whichever thread's stack it is in.
    void remove(const std::shared_ptr<Activation>& activation);
};

}  // namespace jaegertracing

#endif  // SKUA_SRC_ACTIVATION_H
