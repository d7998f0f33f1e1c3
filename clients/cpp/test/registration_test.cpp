// SPDX-License-Identifier: MIT
// When a thread is registered with the kernel, and when it takes that back. The kernel's side is played here.
#include <dlfcn.h>
#include <jaegertracing/Tracer.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <vector>

#include "Check.h"
#include "skua.h"

using jaegertracing::Tracer;
using opentracing::ChildOf;

namespace {

std::vector<bool> asked;  // true: to register, false: to take it back

std::shared_ptr<opentracing::Tracer> makeTracer(double sample) {
    return Tracer::make("svc",
                        jaegertracing::Config(false, jaegertracing::samplers::Config("const", sample)));
}

void spans(opentracing::Tracer& tracer, int count) {
    for (int i = 0; i < count; ++i) tracer.StartSpan("s")->Finish();
}

void aThreadThatSamplesRarelyIsNotLookedAtMeanwhile(opentracing::Tracer& always, opentracing::Tracer& never) {
    spans(never, 100);
    CHECK_EQUAL(asked.size(), size_t(0));
    spans(always, 100);
    CHECK(asked == std::vector<bool>({true}));
    spans(never, 7);
    CHECK(skua_thread_registered());
    spans(never, 1);
    CHECK(asked == std::vector<bool>({true, false}));
    spans(never, 100);
    CHECK(!skua_thread_registered() && asked.size() == 2);
    auto span = always.StartSpan("s");
    CHECK(skua_thread_registered() && skua_current().valid == 1 && asked.size() == 3);
    // Within a sampled span it stays, however many are not.
    spans(never, 100);
    CHECK_EQUAL(asked.size(), size_t(3));
    span->Finish();
}

void whatSamplesNowAndThenStays(opentracing::Tracer& always, opentracing::Tracer& never) {
    asked.clear();
    for (int i = 0; i < 20; ++i) {
        spans(never, 7);
        spans(always, 1);
    }
    CHECK_EQUAL(asked.size(), size_t(0));
}

}  // namespace

// In the place of libc's, which skua.h calls.
extern "C" long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (long& argument : a) argument = va_arg(list, long);
    va_end(list);
    if (number == SYS_ioctl && a[1] == static_cast<long>(SKUA_IOC_REGISTER)) {
        asked.push_back(*reinterpret_cast<const uint64_t*>(a[2]) != 0);
        return 0;
    }
    static const auto real = reinterpret_cast<decltype(&syscall)>(dlsym(RTLD_NEXT, "syscall"));
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int main() {
    setenv("SKUA_CONTEXT", "/dev/null", 1);
    const auto always = makeTracer(1);
    const auto never = makeTracer(0);
    aThreadThatSamplesRarelyIsNotLookedAtMeanwhile(*always, *never);
    whatSamplesNowAndThenStays(*always, *never);
    std::cout << "ok\n";
}
