// SPDX-License-Identifier: MIT
#include <jaegertracing/Tracer.h>

#include <map>
#include <sstream>

#include "Check.h"

using jaegertracing::SpanContext;
using jaegertracing::Tracer;
using opentracing::expected;
using opentracing::string_view;

namespace {

template <typename Reader, typename Writer>
struct Carrier : Reader, Writer {
    mutable std::map<std::string, std::string> items;

    expected<void> Set(string_view key, string_view value) const override {
        items[key] = value;
        return {};
    }
    expected<void> ForeachKey(
        std::function<expected<void>(string_view key, string_view value)> f) const override {
        for (const auto& item : items) {
            const auto result = f(item.first, item.second);
            if (!result) return result;
        }
        return {};
    }
};
using TextMap = Carrier<opentracing::TextMapReader, opentracing::TextMapWriter>;
using Headers = Carrier<opentracing::HTTPHeadersReader, opentracing::HTTPHeadersWriter>;

jaegertracing::Config config(bool bits128 = false, bool w3c = false) {
    using jaegertracing::propagation::Format;
    return jaegertracing::Config(
        false, bits128, jaegertracing::samplers::Config("const", 1), jaegertracing::reporters::Config(),
        jaegertracing::propagation::HeadersConfig(), jaegertracing::baggage::RestrictionsConfig(), "svc", {},
        w3c ? Format::W3C : Format::JAEGER);
}

template <typename C>
std::unique_ptr<SpanContext> extract(const opentracing::Tracer& tracer, C&& carrier) {
    auto result = tracer.Extract(carrier);
    CHECK(result);
    return std::unique_ptr<SpanContext>(dynamic_cast<SpanContext*>(result->release()));
}

void headersRoundTrip(bool bits128, bool w3c) {
    auto tracer = Tracer::make(config(bits128, w3c));
    auto span = tracer->StartSpan("s");
    span->SetBaggageItem("user", "a b&c/\xc3\xa9");
    const auto& context = dynamic_cast<const SpanContext&>(span->context());
    Headers headers;
    CHECK(tracer->Inject(context, headers));
    CHECK_EQUAL(headers.items.count(w3c ? "traceparent" : "uber-trace-id"), size_t(1));
    CHECK_EQUAL(headers.items["uberctx-user"], std::string("a%20b%26c%2F%C3%A9"));
    // As a server sees them.
    Headers received;
    for (const auto& item : headers.items) {
        std::string key = item.first;
        key[0] = static_cast<char>(std::toupper(key[0]));
        received.items[key] = item.second;
    }
    const auto back = extract(*tracer, received);
    CHECK(back != nullptr && back->traceID() == context.traceID() && back->spanID() == context.spanID());
    CHECK_EQUAL(back->traceID().high() != 0, bits128);
    CHECK(back->isSampled());
    CHECK_EQUAL(back->baggageItem("user"), std::string("a b&c/\xc3\xa9"));
    auto child = tracer->StartSpan("c", {opentracing::ChildOf(back.get())});
    CHECK_EQUAL(child->BaggageItem("user"), std::string("a b&c/\xc3\xa9"));
    CHECK_EQUAL(child->context().ToTraceID(), context.ToTraceID());
}

void otherClientsHeaders(const opentracing::Tracer& tracer) {
    const auto check = [&tracer](const std::string& text, const std::string& trace, uint64_t span,
                                 bool sampled) {
        Headers headers;
        headers.items["Uber-Trace-Id"] = text;
        const auto context = extract(tracer, headers);
        CHECK_EQUAL(context->ToTraceID(), trace);
        CHECK_EQUAL(context->spanID(), span);
        CHECK_EQUAL(context->isSampled(), sampled);
    };
    check("abc:1:0:1", "0000000000000abc", 1, true);
    check("000000000000abc0000000000000def0:00000000000000ff:0:0", "000000000000abc0000000000000def0", 255,
          false);
    check("abc%3A1%3A0%3A3", "0000000000000abc", 1, true);
}

void corruptedHeaders(const opentracing::Tracer& tracer) {
    for (const char* text : {"", "x", "1:2:3", "0:1:0:1", "1:0:0:1", "1:2:3:4:5", "g:1:0:1",
                             "11111111111111111:2:0:zz", "111111111111111111111111111111111:1:0:1"}) {
        Headers headers;
        headers.items["uber-trace-id"] = text;
        const auto result = tracer.Extract(headers);
        CHECK(!result && result.error() == opentracing::span_context_corrupted_error);
    }
    CHECK(extract(tracer, TextMap()) == nullptr);
}

void debugHeader(const opentracing::Tracer& tracer) {
    Headers headers;
    headers.items["jaeger-debug-id"] = "why";
    headers.items["jaeger-baggage"] = "k1=v1,k2=v2";
    const auto context = extract(tracer, headers);
    auto span = tracer.StartSpan("s", {opentracing::ChildOf(context.get())});
    const auto& started = dynamic_cast<const SpanContext&>(span->context());
    CHECK(started.isDebug() && started.isSampled() && started.parentID() == 0);
    CHECK_EQUAL(span->BaggageItem("k2"), std::string("v2"));
}

void binary(const opentracing::Tracer& tracer) {
    auto span = tracer.StartSpan("s");
    span->SetBaggageItem("key", "value");
    const auto& context = dynamic_cast<const SpanContext&>(span->context());
    std::ostringstream out;
    CHECK(tracer.Inject(context, out));
    CHECK_EQUAL(out.str().size(), size_t(8 * 4 + 1 + 4 + 4 + 3 + 4 + 5));
    std::istringstream in(out.str());
    const auto back = extract(tracer, in);
    CHECK(back->traceID() == context.traceID() && back->spanID() == context.spanID() && back->isSampled());
    CHECK_EQUAL(back->baggageItem("key"), std::string("value"));
    std::istringstream empty;
    CHECK(extract(tracer, empty) == nullptr);
    for (size_t size = 1; size < out.str().size(); ++size) {
        std::istringstream cut(out.str().substr(0, size));
        CHECK(!tracer.Extract(cut));
    }
    std::string lies = out.str();
    lies[33] = '\x7f';  // two thousand million baggage items
    std::istringstream lying(lies);
    CHECK(!tracer.Extract(lying));
}

void foreignContexts(const opentracing::Tracer& tracer) {
    auto noop = opentracing::MakeNoopTracer();
    auto span = noop->StartSpan("s");
    TextMap carrier;
    const auto result = tracer.Inject(span->context(), carrier);
    CHECK(!result && result.error() == opentracing::invalid_span_context_error);
}

}  // namespace

int main() {
    headersRoundTrip(false, false);
    headersRoundTrip(true, false);
    headersRoundTrip(true, true);
    auto tracer = Tracer::make(config());
    otherClientsHeaders(*tracer);
    corruptedHeaders(*tracer);
    debugHeader(*tracer);
    binary(*tracer);
    foreignContexts(*tracer);
    std::cout << "ok\n";
}
