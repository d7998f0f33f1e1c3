// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_TRACEID_H
#define JAEGERTRACING_TRACEID_H

#include <cstdint>
#include <string>

namespace jaegertracing {

// 64 or 128 bits; `high` is 0 for a 64-bit id.
class TraceID {
  public:
    TraceID() = default;
    TraceID(uint64_t high, uint64_t low) : _high(high), _low(low) {}

    bool isValid() const { return (_high | _low) != 0; }
    uint64_t high() const { return _high; }
    uint64_t low() const { return _low; }
    // 16 or 32 lowercase hexadecimal digits.
    std::string str() const;

    bool operator==(const TraceID& other) const { return _high == other._high && _low == other._low; }

    template <typename Stream>
    void print(Stream& out) const {
        out << str();
    }

  private:
    uint64_t _high = 0;
    uint64_t _low = 0;
};

template <typename Stream>
Stream& operator<<(Stream& out, const TraceID& id) {
    id.print(out);
    return out;
}

}  // namespace jaegertracing

#endif  // JAEGERTRACING_TRACEID_H
