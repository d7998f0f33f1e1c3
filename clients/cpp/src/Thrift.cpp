// SPDX-License-Identifier: MIT
#include "Thrift.h"

#include <chrono>
#include <cstring>

namespace jaegertracing {
namespace thrift {
namespace {

uint64_t zigzag(int64_t value) {
    return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

int64_t microseconds(opentracing::SystemTime time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

// jaeger.thrift: enum TagType.
enum TagType : int32_t { kString = 0, kDouble = 1, kBool = 2, kLong = 3 };

struct WriteValue {
    CompactWriter& writer;

    void text(const std::string& value) const {
        writer.fieldI32(2, kString);
        writer.fieldString(3, value);
    }
    void operator()(bool value) const {
        writer.fieldI32(2, kBool);
        writer.fieldBool(5, value);
    }
    void operator()(double value) const {
        writer.fieldI32(2, kDouble);
        writer.fieldDouble(4, value);
    }
    void operator()(int64_t value) const {
        writer.fieldI32(2, kLong);
        writer.fieldI64(6, value);
    }
    void operator()(uint64_t value) const {
        if (value <= INT64_MAX)
            (*this)(static_cast<int64_t>(value));
        else
            text(std::to_string(value));
    }
    void operator()(const std::string& value) const { text(value); }
    // Tag's constructor leaves none of these.
    template <typename Other>
    void operator()(const Other&) const {
        text("");
    }
};

void writeTags(CompactWriter& writer, int16_t id, const std::vector<Tag>& tags) {
    writer.field(id, CompactWriter::kList);
    writer.listHeader(tags.size(), CompactWriter::kStruct);
    for (const Tag& tag : tags) {
        writer.structBegin();
        writer.fieldString(1, tag.key());
        Tag::ValueType::visit(tag.value(), WriteValue{writer});
        writer.structEnd();
    }
}

}  // namespace

void CompactWriter::varint(uint64_t value) {
    while (value >= 0x80) {
        _out += static_cast<char>(value | 0x80);
        value >>= 7;
    }
    _out += static_cast<char>(value);
}

void CompactWriter::field(int16_t id, Type type) {
    const int delta = id - _lastIds.back();
    if (delta > 0 && delta <= 15) {
        _out += static_cast<char>(delta << 4 | type);
    } else {
        _out += static_cast<char>(type);
        varint(zigzag(id));
    }
    _lastIds.back() = id;
}

void CompactWriter::fieldI32(int16_t id, int32_t value) {
    field(id, kI32);
    varint(zigzag(value));
}

void CompactWriter::fieldI64(int16_t id, int64_t value) {
    field(id, kI64);
    varint(zigzag(value));
}

void CompactWriter::fieldDouble(int16_t id, double value) {
    field(id, kDouble);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; ++i) _out += static_cast<char>(bits >> (8 * i));
}

void CompactWriter::string(const std::string& value) {
    varint(value.size());
    _out += value;
}

void CompactWriter::fieldString(int16_t id, const std::string& value) {
    field(id, kBinary);
    string(value);
}

void CompactWriter::listHeader(size_t size, Type element) {
    if (size < 15) {
        _out += static_cast<char>(size << 4 | element);
    } else {
        _out += static_cast<char>(0xf0 | element);
        varint(size);
    }
}

std::string encodeSpan(const SpanData& span) {
    std::string out;
    CompactWriter writer(out);
    writer.structBegin();
    writer.fieldI64(1, static_cast<int64_t>(span.traceID.low()));
    writer.fieldI64(2, static_cast<int64_t>(span.traceID.high()));
    writer.fieldI64(3, static_cast<int64_t>(span.spanID));
    writer.fieldI64(4, static_cast<int64_t>(span.parentID));
    writer.fieldString(5, span.operationName);
    if (!span.references.empty()) {
        writer.field(6, CompactWriter::kList);
        writer.listHeader(span.references.size(), CompactWriter::kStruct);
        for (const Reference& reference : span.references) {
            writer.structBegin();
            writer.fieldI32(1, reference.type == opentracing::SpanReferenceType::ChildOfRef ? 0 : 1);
            writer.fieldI64(2, static_cast<int64_t>(reference.traceID.low()));
            writer.fieldI64(3, static_cast<int64_t>(reference.traceID.high()));
            writer.fieldI64(4, static_cast<int64_t>(reference.spanID));
            writer.structEnd();
        }
    }
    writer.fieldI32(7, span.flags);
    writer.fieldI64(8, microseconds(span.startTimeSystem));
    writer.fieldI64(9, std::chrono::duration_cast<std::chrono::microseconds>(span.duration).count());
    if (!span.tags.empty()) writeTags(writer, 10, span.tags);
    if (!span.logs.empty()) {
        writer.field(11, CompactWriter::kList);
        writer.listHeader(span.logs.size(), CompactWriter::kStruct);
        for (const LogRecord& log : span.logs) {
            writer.structBegin();
            writer.fieldI64(1, microseconds(log.timestamp));
            writeTags(writer, 2, log.fields);
            writer.structEnd();
        }
    }
    writer.structEnd();
    return out;
}

std::string encodeProcess(const std::string& serviceName, const std::vector<Tag>& tags) {
    std::string out;
    CompactWriter writer(out);
    writer.structBegin();
    writer.fieldString(1, serviceName);
    writeTags(writer, 2, tags);
    writer.structEnd();
    return out;
}

std::string encodeEmitBatch(const std::string& process, const std::vector<std::string>& spans,
                            int32_t sequence, const ClientStats& stats) {
    constexpr char kProtocolId = static_cast<char>(0x82);
    constexpr char kVersion1Oneway = 1 | 4 << 5;
    std::string out;
    out += kProtocolId;
    out += kVersion1Oneway;
    CompactWriter writer(out);
    writer.varint(static_cast<uint32_t>(sequence));
    writer.string("emitBatch");
    writer.structBegin();  // arguments
    writer.field(1, CompactWriter::kStruct);
    writer.structBegin();  // Batch
    writer.field(1, CompactWriter::kStruct);
    out += process;
    writer.field(2, CompactWriter::kList);
    writer.listHeader(spans.size(), CompactWriter::kStruct);
    for (const std::string& span : spans) out += span;
    writer.fieldI64(3, sequence);
    writer.field(4, CompactWriter::kStruct);
    writer.structBegin();  // ClientStats
    writer.fieldI64(1, stats.fullQueueDroppedSpans);
    writer.fieldI64(2, stats.tooLargeDroppedSpans);
    writer.fieldI64(3, stats.failedToEmitSpans);
    writer.structEnd();
    writer.structEnd();
    writer.structEnd();
    return out;
}

}  // namespace thrift
}  // namespace jaegertracing
