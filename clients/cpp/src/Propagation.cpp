// SPDX-License-Identifier: MIT
#include "Propagation.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <istream>
#include <ostream>
#include <sstream>

namespace jaegertracing {
namespace propagation {
namespace {

// A carrier is input from the network.
constexpr uint32_t kMaxBaggageItems = 1024;
constexpr uint32_t kMaxBaggageBytes = 64 * 1024;

struct Ids {
    TraceID traceID;
    uint64_t spanID = 0;
    uint64_t parentID = 0;
    unsigned char flags = 0;
};

bool parseHex(const std::string& text, uint64_t& out) {
    if (text.empty() || text.size() > 16) return false;
    uint64_t value = 0;
    for (const char c : text) {
        if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return false;
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value << 4 | static_cast<uint64_t>(digit);
    }
    out = value;
    return true;
}

bool parseTraceID(const std::string& text, TraceID& out) {
    uint64_t high = 0;
    uint64_t low = 0;
    if (text.size() > 32) return false;
    const size_t lowFrom = text.size() > 16 ? text.size() - 16 : 0;
    if (lowFrom > 0 && !parseHex(text.substr(0, lowFrom), high)) return false;
    if (!parseHex(text.substr(lowFrom), low)) return false;
    out = TraceID(high, low);
    return true;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    std::string part;
    while (std::getline(in, part, separator)) parts.push_back(part);
    return parts;
}

// trace:span:parent:flags, hexadecimal, leading zeros optional.
bool parseJaeger(const std::string& text, Ids& out) {
    const auto parts = split(text, ':');
    uint64_t flags = 0;
    if (parts.size() != 4 || !parseTraceID(parts[0], out.traceID) || !parseHex(parts[1], out.spanID) ||
        !parseHex(parts[2], out.parentID) || !parseHex(parts[3], flags)) {
        return false;
    }
    out.flags = static_cast<unsigned char>(flags);
    return out.traceID.isValid() && out.spanID != 0;
}

// version-trace-span-flags (https://www.w3.org/TR/trace-context/#traceparent-header).
bool parseTraceparent(const std::string& text, Ids& out) {
    const auto parts = split(text, '-');
    uint64_t flags = 0;
    if (parts.size() < 4 || parts[0].size() != 2 || parts[0] == "ff" || parts[1].size() != 32 ||
        parts[2].size() != 16 || parts[3].size() != 2 || (parts[0] == "00" && parts.size() != 4)) {
        return false;
    }
    if (!parseTraceID(parts[1], out.traceID) || !parseHex(parts[2], out.spanID) || !parseHex(parts[3], flags))
        return false;
    out.flags = static_cast<unsigned char>(flags & 1);
    return out.traceID.isValid() && out.spanID != 0;
}

std::string traceparent(const SpanContext& context) {
    char text[56];
    std::snprintf(text, sizeof text, "00-%016llx%016llx-%016llx-%02x",
                  static_cast<unsigned long long>(context.traceID().high()),
                  static_cast<unsigned long long>(context.traceID().low()),
                  static_cast<unsigned long long>(context.spanID()), context.isSampled() ? 1U : 0U);
    return text;
}

std::string percentEncode(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
            c == '~') {
            out += c;
        } else {
            char escape[4];
            std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned char>(c));
            out += escape;
        }
    }
    return out;
}

std::string percentDecode(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        uint64_t value = 0;
        if (text[i] == '%' && i + 2 < text.size() && parseHex(text.substr(i + 1, 2), value)) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

// The jaeger-baggage header: key=value pairs with commas between.
void parseBaggageHeader(const std::string& text, SpanContext::StrMap& out) {
    for (const std::string& pair : split(percentDecode(text), ',')) {
        const auto equals = pair.find('=');
        if (equals != std::string::npos) out[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
}

Extracted corrupted() { return opentracing::make_unexpected(opentracing::span_context_corrupted_error); }

template <typename Integer>
void writeBigEndian(std::ostream& out, Integer value) {
    for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8)
        out.put(static_cast<char>(value >> shift));
}

template <typename Integer>
bool readBigEndian(std::istream& in, Integer& out) {
    char bytes[sizeof(Integer)];
    if (!in.read(bytes, sizeof bytes)) return false;
    out = 0;
    for (const char byte : bytes) out = static_cast<Integer>(out << 8 | static_cast<unsigned char>(byte));
    return true;
}

void writeString(std::ostream& out, const std::string& text) {
    writeBigEndian(out, static_cast<uint32_t>(text.size()));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

bool readString(std::istream& in, std::string& out) {
    uint32_t size = 0;
    if (!readBigEndian(in, size) || size > kMaxBaggageBytes) return false;
    out.resize(size);
    return size == 0 || in.read(&out[0], size);
}

}  // namespace

opentracing::expected<void> inject(const SpanContext& context, const opentracing::TextMapWriter& writer,
                                   const HeadersConfig& headers, Carrier carrier) {
    const bool w3c = headers.traceContextHeaderFormat() == Format::W3C;
    const std::string value = w3c ? traceparent(context) : context.str();
    auto result = writer.Set(headers.traceContextHeaderName(), value);
    for (const auto& item : context.baggage()) {
        if (!result) return result;
        const bool http = carrier == Carrier::HttpHeaders;
        result = writer.Set(headers.traceBaggageHeaderPrefix() + item.first,
                            http ? percentEncode(item.second) : item.second);
    }
    return result;
}

Extracted extract(const opentracing::TextMapReader& reader, const HeadersConfig& headers, Carrier carrier) {
    Ids ids;
    SpanContext::StrMap baggage;
    std::string debugID;
    const bool http = carrier == Carrier::HttpHeaders;
    const auto name = [http](const std::string& text) { return http ? lower(text) : text; };
    const std::string contextName = name(headers.traceContextHeaderName());
    const std::string prefix = name(headers.traceBaggageHeaderPrefix());
    const auto result =
        reader.ForeachKey([&](opentracing::string_view rawKey,
                              opentracing::string_view rawValue) -> opentracing::expected<void> {
            const std::string key = name(rawKey);
            const std::string value = rawValue;
            if (key == contextName) {
                const bool w3c = headers.traceContextHeaderFormat() == Format::W3C;
                if (!(w3c ? parseTraceparent(value, ids) : parseJaeger(percentDecode(value), ids)))
                    return opentracing::make_unexpected(opentracing::span_context_corrupted_error);
            } else if (key == name(headers.jaegerDebugHeader())) {
                debugID = value;
            } else if (key == name(headers.jaegerBaggageHeader())) {
                parseBaggageHeader(value, baggage);
            } else if (key.compare(0, prefix.size(), prefix) == 0 && baggage.size() < kMaxBaggageItems) {
                baggage[key.substr(prefix.size())] = http ? percentDecode(value) : value;
            }
            return {};
        });
    if (!result) return opentracing::make_unexpected(result.error());
    if (!ids.traceID.isValid() && debugID.empty() && baggage.empty())
        return std::unique_ptr<opentracing::SpanContext>();
    return std::unique_ptr<opentracing::SpanContext>(
        new SpanContext(ids.traceID, ids.spanID, ids.parentID, ids.flags, std::move(baggage), debugID));
}

opentracing::expected<void> injectBinary(const SpanContext& context, std::ostream& writer) {
    const auto baggage = context.baggage();
    writeBigEndian(writer, context.traceID().high());
    writeBigEndian(writer, context.traceID().low());
    writeBigEndian(writer, context.spanID());
    writeBigEndian(writer, context.parentID());
    writer.put(static_cast<char>(context.flags()));
    writeBigEndian(writer, static_cast<uint32_t>(baggage.size()));
    for (const auto& item : baggage) {
        writeString(writer, item.first);
        writeString(writer, item.second);
    }
    if (!writer.good()) return opentracing::make_unexpected(std::make_error_code(std::errc::io_error));
    return {};
}

Extracted extractBinary(std::istream& reader) {
    uint64_t high = 0;
    // An empty carrier holds no context; a broken one is an error.
    if (reader.peek() == std::istream::traits_type::eof()) return std::unique_ptr<opentracing::SpanContext>();
    uint64_t low = 0;
    Ids ids;
    uint32_t items = 0;
    if (!readBigEndian(reader, high) || !readBigEndian(reader, low) || !readBigEndian(reader, ids.spanID) ||
        !readBigEndian(reader, ids.parentID) || !readBigEndian(reader, ids.flags) ||
        !readBigEndian(reader, items) || items > kMaxBaggageItems) {
        return corrupted();
    }
    ids.traceID = TraceID(high, low);
    if (!ids.traceID.isValid() || ids.spanID == 0) return corrupted();
    SpanContext::StrMap baggage;
    for (uint32_t i = 0; i < items; ++i) {
        std::string key;
        std::string value;
        if (!readString(reader, key) || !readString(reader, value)) return corrupted();
        baggage[key] = value;
    }
    return std::unique_ptr<opentracing::SpanContext>(
        new SpanContext(ids.traceID, ids.spanID, ids.parentID, ids.flags, std::move(baggage)));
}

}  // namespace propagation
}  // namespace jaegertracing
