// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_PROPAGATION_H
#define SKUA_SRC_PROPAGATION_H

#include <opentracing/propagation.h>

#include <iosfwd>
#include <memory>

#include "jaegertracing/SpanContext.h"
#include "jaegertracing/propagation/HeadersConfig.h"

namespace jaegertracing {
namespace propagation {

// Whether a carrier's keys ignore case and its baggage is percent-encoded.
enum class Carrier { TextMap, HttpHeaders };

using Extracted = opentracing::expected<std::unique_ptr<opentracing::SpanContext>>;

// Context and baggage as https://www.jaegertracing.io/docs/1.x/client-libraries/#propagation-format says, or
// W3C's traceparent. Extraction returns null when there is nothing of ours, span_context_corrupted_error when
// it cannot be right.
opentracing::expected<void> inject(const SpanContext& context, const opentracing::TextMapWriter& writer,
                                   const HeadersConfig& headers, Carrier carrier);
Extracted extract(const opentracing::TextMapReader& reader, const HeadersConfig& headers, Carrier carrier);

// Big-endian: trace id high and low, span id, parent id (u64 each), flags (u8), then a u32 count of baggage
// items, each a key and a value with a u32 length before it. The same bytes as Jaeger's Go client.
opentracing::expected<void> injectBinary(const SpanContext& context, std::ostream& writer);
Extracted extractBinary(std::istream& reader);

}  // namespace propagation
}  // namespace jaegertracing

#endif  // SKUA_SRC_PROPAGATION_H
