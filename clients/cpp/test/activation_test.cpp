// SPDX-License-Identifier: MIT
// Which span is published to the kernel when. SKUA_CONTEXT names a plain file, which collects every record.
#include <jaegertracing/Tracer.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "Check.h"
#include "skua.h"
#include "skua/active_span.h"

using jaegertracing::SpanContext;
using jaegertracing::Tracer;
using opentracing::ChildOf;

namespace {

std::string file;

std::string idOf(const opentracing::Span& span) { return span.context().ToSpanID(); }

std::string spanIdOf(const skua_record& record) {
    std::ostringstream text;
    for (const uint8_t byte : record.span_id)
        text << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
    return text.str();
}

// The active span of this thread, as the record says: "-" for none.
std::string active() {
    const skua_record record = skua_current();
    return record.valid == 1 && (record.trace_flags & 1) != 0 ? spanIdOf(record) : "-";
}

// What the kernel was told since the last call, "-" for a detached record.
std::vector<std::string> told() {
    static std::streamoff from = 0;
    std::ifstream in(file, std::ios::binary);
    in.seekg(from);
    std::vector<std::string> result;
    skua_record record;
    while (in.read(reinterpret_cast<char*>(&record), sizeof record)) {
        from += sizeof record;
        result.push_back(record.valid == 1 ? spanIdOf(record) : "-");
    }
    return result;
}

std::string join(const std::vector<std::string>& parts) {
    std::string out;
    for (const auto& part : parts) out += part + ' ';
    return out;
}

std::shared_ptr<opentracing::Tracer> makeTracer(double sample) {
    return Tracer::make("svc",
                        jaegertracing::Config(false, jaegertracing::samplers::Config("const", sample)));
}

void nestedSpansRestoreTheirParent(opentracing::Tracer& tracer) {
    CHECK_EQUAL(active(), std::string("-"));
    auto request = tracer.StartSpan("request");
    CHECK_EQUAL(active(), idOf(*request));
    auto work = tracer.StartSpan("work", {ChildOf(&request->context())});
    CHECK_EQUAL(active(), idOf(*work));
    const std::string r = idOf(*request);
    const std::string w = idOf(*work);
    work->Finish();
    CHECK_EQUAL(active(), r);
    work.reset();
    CHECK_EQUAL(active(), r);
    request->Finish();
    CHECK_EQUAL(active(), std::string("-"));
    // While the tracer works the thread is detached, so that its own system calls belong to no span.
    CHECK_EQUAL(join(told()), r + " - " + w + " - " + r + " - ");
}

void theTraceIdIsInW3cOrder(opentracing::Tracer& tracer) {
    auto span = tracer.StartSpan("s");
    const auto& context = dynamic_cast<const SpanContext&>(span->context());
    const skua_record record = skua_current();
    uint64_t low = 0;
    for (int i = 8; i < 16; ++i) low = low << 8 | record.trace_id[i];
    CHECK_EQUAL(low, context.traceID().low());
    for (int i = 0; i < 8; ++i) CHECK(record.trace_id[i] == 0);
}

void finishingOutOfOrder(opentracing::Tracer& tracer) {
    auto a = tracer.StartSpan("a");
    auto b = tracer.StartSpan("b");
    auto c = tracer.StartSpan("c");
    b->Finish();
    CHECK_EQUAL(active(), idOf(*c));
    c->Finish();
    CHECK_EQUAL(active(), idOf(*a));
    a->Finish();
    CHECK_EQUAL(active(), std::string("-"));
}

void finishingOnAnotherThread(opentracing::Tracer& tracer) {
    auto a = tracer.StartSpan("a");
    auto b = tracer.StartSpan("b");
    std::thread([&] {
        auto own = tracer.StartSpan("own");
        b->Finish();
        CHECK_EQUAL(active(), idOf(*own));
    }).join();
    // Only this thread can change its record: at its next use of the tracer.
    CHECK_EQUAL(active(), idOf(*b));
    auto c = tracer.StartSpan("c");
    c->Finish();
    CHECK_EQUAL(active(), idOf(*a));
    a->Finish();
    CHECK_EQUAL(active(), std::string("-"));
}

void handedOverToAnotherThread(opentracing::Tracer& tracer) {
    auto span = tracer.StartSpan("s");
    std::thread([&] {
        CHECK_EQUAL(active(), std::string("-"));
        {
            skua::ActiveSpan scope(span->context());
            CHECK_EQUAL(active(), idOf(*span));
        }
        CHECK_EQUAL(active(), std::string("-"));
    }).join();
}

void unsampledSpansNeverArm() {
    auto tracer = makeTracer(0);
    (void)told();
    auto a = tracer->StartSpan("a");
    auto b = tracer->StartSpan("b", {ChildOf(&a->context())});
    CHECK_EQUAL(active(), std::string("-"));
    b->SetTag("sampling.priority", 1);
    CHECK_EQUAL(active(), idOf(*b));
    b->SetTag("sampling.priority", 0);
    CHECK_EQUAL(active(), std::string("-"));
    const size_t before = told().size();
    CHECK_EQUAL(before, size_t(2));
    b->Finish();
    a->Finish();
    CHECK_EQUAL(told().size(), size_t(0));
}

// Whichever comes first, no thread keeps the context of a span that is over.
void finishedWhileItIsMadeSampled() {
    auto tracer = makeTracer(0);
    for (int i = 0; i < 300; ++i) {
        auto span = tracer->StartSpan("s");
        std::atomic<bool> finished{false};
        std::thread other([&] {
            span->SetTag("sampling.priority", 1);
            while (!finished.load()) std::this_thread::yield();
            tracer->StartSpan("next")->Finish();
            CHECK_EQUAL(active(), std::string("-"));
        });
        if (i % 2 == 0) std::this_thread::yield();
        span->Finish();
        finished.store(true);
        other.join();
    }
}

// An unsampled span within a sampled one is the active span: the thread is unarmed meanwhile.
void unsampledWithinSampled(opentracing::Tracer& sampled) {
    auto never = makeTracer(0);
    auto outer = sampled.StartSpan("outer");
    auto inner = never->StartSpan("inner");
    CHECK_EQUAL(active(), std::string("-"));
    inner->Finish();
    CHECK_EQUAL(active(), idOf(*outer));
}

void theProgramsOwnContextComesBack(opentracing::Tracer& tracer) {
    skua::Scope own({1}, {9, 9, 9, 9, 9, 9, 9, 9});
    tracer.StartSpan("s")->Finish();
    CHECK_EQUAL(active(), std::string("0909090909090909"));
}

}  // namespace

int main() {
    char name[] = "/tmp/skua-activation-XXXXXX";
    CHECK(mkstemp(name) >= 0);
    file = name;
    setenv("SKUA_CONTEXT", name, 1);
    auto tracer = makeTracer(1);
    nestedSpansRestoreTheirParent(*tracer);
    theTraceIdIsInW3cOrder(*tracer);
    finishingOutOfOrder(*tracer);
    finishingOnAnotherThread(*tracer);
    handedOverToAnotherThread(*tracer);
    unsampledSpansNeverArm();
    finishedWhileItIsMadeSampled();
    unsampledWithinSampled(*tracer);
    theProgramsOwnContextComesBack(*tracer);
    CHECK_EQUAL(active(), std::string("-"));
    unlink(name);
    std::cout << "ok\n";
}
