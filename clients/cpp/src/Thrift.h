// SPDX-License-Identifier: MIT
#ifndef SKUA_SRC_THRIFT_H
#define SKUA_SRC_THRIFT_H

#include <cstdint>
#include <string>
#include <vector>

#include "jaegertracing/Span.h"

namespace jaegertracing {
namespace thrift {

// Appends values in Thrift's compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
class CompactWriter {
  public:
    enum Type : uint8_t {
        kTrue = 1,
        kFalse = 2,
        kI32 = 5,
        kI64 = 6,
        kDouble = 7,
        kBinary = 8,
        kList = 9,
        kStruct = 12,
    };

    explicit CompactWriter(std::string& out) : _out(out) {}

    void structBegin() { _lastIds.push_back(0); }
    void structEnd() {
        _lastIds.pop_back();
        _out += '\0';
    }
    void field(int16_t id, Type type);
    void fieldBool(int16_t id, bool value) { field(id, value ? kTrue : kFalse); }
    void fieldI32(int16_t id, int32_t value);
    void fieldI64(int16_t id, int64_t value);
    void fieldDouble(int16_t id, double value);
    void fieldString(int16_t id, const std::string& value);
    void listHeader(size_t size, Type element);
    void string(const std::string& value);
    void varint(uint64_t value);

  private:
    std::string& _out;
    std::vector<int16_t> _lastIds;
};

// Encodings of jaeger.thrift's structs
// (https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift).
std::string encodeSpan(const SpanData& span);
std::string encodeProcess(const std::string& serviceName, const std::vector<Tag>& tags);

// Spans that a client knows to be lost, sent along with each batch.
struct ClientStats {
    int64_t fullQueueDroppedSpans = 0;
    int64_t tooLargeDroppedSpans = 0;
    int64_t failedToEmitSpans = 0;
};

// A message Agent.emitBatch of encoded parts: one datagram for the agent's compact port.
std::string encodeEmitBatch(const std::string& process, const std::vector<std::string>& spans,
                            int32_t sequence, const ClientStats& stats);
// Bytes that encodeEmitBatch adds to process and spans, at most.
constexpr size_t kEmitBatchOverhead = 96;

}  // namespace thrift
}  // namespace jaegertracing

#endif  // SKUA_SRC_THRIFT_H
