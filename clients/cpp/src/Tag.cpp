// SPDX-License-Identifier: MIT
#include "jaegertracing/Tag.h"

#include <cmath>
#include <cstdio>

namespace jaegertracing {
namespace {

using opentracing::Value;

void appendQuoted(std::string& out, const std::string& text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[7];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    out += '"';
}

// Writes any value as JSON: how nested values are shown, as Jaeger's tags are flat.
struct ToJson {
    std::string& out;

    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(double value) const {
        if (!std::isfinite(value)) {
            out += "null";
            return;
        }
        char text[32];
        std::snprintf(text, sizeof text, "%.17g", value);
        out += text;
    }
    void operator()(int64_t value) const { out += std::to_string(value); }
    void operator()(uint64_t value) const { out += std::to_string(value); }
    void operator()(const std::string& value) const { appendQuoted(out, value); }
    void operator()(opentracing::string_view value) const { appendQuoted(out, value); }
    void operator()(std::nullptr_t) const { out += "null"; }
    void operator()(const char* value) const { appendQuoted(out, value == nullptr ? "" : value); }
    void operator()(const opentracing::Values& values) const {
        out += '[';
        bool first = true;
        for (const Value& value : values) {
            if (!first) out += ',';
            first = false;
            Value::visit(value, *this);
        }
        out += ']';
    }
    void operator()(const opentracing::Dictionary& dictionary) const {
        out += '{';
        bool first = true;
        for (const auto& entry : dictionary) {
            if (!first) out += ',';
            first = false;
            appendQuoted(out, entry.first);
            out += ':';
            Value::visit(entry.second, *this);
        }
        out += '}';
    }
};

// The caller's string_view or char pointer may be gone when the span is sent.
struct Owned {
    Value operator()(bool value) const { return value; }
    Value operator()(double value) const { return value; }
    Value operator()(int64_t value) const { return value; }
    Value operator()(uint64_t value) const { return value; }
    Value operator()(const std::string& value) const { return value; }
    Value operator()(opentracing::string_view value) const { return std::string(value); }
    Value operator()(std::nullptr_t) const { return std::string("null"); }
    Value operator()(const char* value) const { return std::string(value == nullptr ? "" : value); }
    template <typename Nested>
    Value operator()(const Nested& nested) const {
        std::string text;
        ToJson{text}(nested);
        return text;
    }
};

}  // namespace

Tag::Tag(const std::string& key, const ValueType& value)
    : _key(key), _value(ValueType::visit(value, Owned{})) {}

}  // namespace jaegertracing
