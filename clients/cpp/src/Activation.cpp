// SPDX-License-Identifier: MIT
#include "Activation.h"

#include <algorithm>
#include <vector>

#include "skua.h"
#include "skua/active_span.h"

namespace jaegertracing {
namespace {

void storeBigEndian(uint8_t* out, uint64_t value) {
    for (int i = 7; i >= 0; --i) {
        out[i] = static_cast<uint8_t>(value);
        value >>= 8;
    }
}

// The kernel looks at a registered thread in each of its system calls. One that samples rarely is registered
// for its sampled traces only: after so many spans that were not, what it has paid for nothing equals what
// registering costs.
constexpr int kUnsampledBeforeRest = 8;

struct Stack {
    std::vector<std::shared_ptr<Activation>> active;  // innermost last
    int depth = 0;                                    // of TracerAtWork objects
    skua_record foreign{};                            // published through skua.h by the program itself
    bool changed = false;                             // the record is no longer as `foreign` was taken
    int unsampled = 0;                                // spans, since the last one that was sampled
};

// A plain pointer beside its owner: spans that finish while the thread's other thread-local objects are
// destroyed find null.
thread_local Stack* stackOfThread = nullptr;
thread_local bool threadEnds = false;

struct StackOwner {
    StackOwner() { stackOfThread = &stack; }
    ~StackOwner() {
        stackOfThread = nullptr;
        threadEnds = true;
    }
    Stack stack;
};

Stack* stackOrNull() {
    if (stackOfThread == nullptr && !threadEnds) {
        thread_local StackOwner owner;
        (void)owner;
    }
    return stackOfThread;
}

}  // namespace

Activation::Activation(const SpanContext& context) : sampled(context.isSampled()) {
    storeBigEndian(traceID, context.traceID().high());
    storeBigEndian(traceID + 8, context.traceID().low());
    storeBigEndian(spanID, context.spanID());
}

TracerAtWork::TracerAtWork() {
    Stack* stack = stackOrNull();
    if (stack == nullptr || stack->depth++ > 0) return;
    const skua_record current = skua_current();
    if (stack->active.empty()) stack->foreign = current;
    if (current.valid != 1) return;
    stack->changed = true;
    skua_detach();
}

TracerAtWork::~TracerAtWork() {
    Stack* stack = stackOrNull();
    if (stack == nullptr || --stack->depth > 0) return;
    auto& active = stack->active;
    while (!active.empty() && active.back()->finished.load(std::memory_order_acquire)) active.pop_back();
    if (active.empty()) {
        if (!stack->changed) return;
        stack->changed = false;
        skua_restore(&stack->foreign);
        return;
    }
    stack->changed = true;
    const Activation& top = *active.back();
    const bool sampled = top.sampled.load(std::memory_order_relaxed);
    skua_attach(top.traceID, top.spanID, sampled ? SKUA_TRACE_FLAG_SAMPLED : 0);
}

std::shared_ptr<Activation> TracerAtWork::push(const SpanContext& context) {
    Stack* stack = stackOrNull();
    if (stack == nullptr) return nullptr;
    if (context.isSampled()) {
        stack->unsampled = 0;
    } else if (stack->active.empty() && stack->foreign.valid != 1) {
        if (stack->unsampled < kUnsampledBeforeRest && ++stack->unsampled == kUnsampledBeforeRest)
            skua_thread_unregister();
        return nullptr;
    }
    auto activation = std::make_shared<Activation>(context);
    stack->active.push_back(activation);
    return activation;
}

void TracerAtWork::remove(const std::shared_ptr<Activation>& activation) {
    activation->finished.store(true, std::memory_order_release);
    Stack* stack = stackOrNull();
    if (stack == nullptr) return;
    auto& active = stack->active;
    const auto found = std::find(active.rbegin(), active.rend(), activation);
    if (found != active.rend()) active.erase(std::next(found).base());
}

}  // namespace jaegertracing

namespace skua {

ActiveSpan::ActiveSpan(const opentracing::SpanContext& context) {
    const auto* ours = dynamic_cast<const jaegertracing::SpanContext*>(&context);
    if (ours == nullptr) return;
    jaegertracing::TracerAtWork work;
    _activation = work.push(*ours);
}

ActiveSpan::~ActiveSpan() {
    if (_activation == nullptr) return;
    jaegertracing::TracerAtWork work;
    work.remove(_activation);
}

}  // namespace skua
