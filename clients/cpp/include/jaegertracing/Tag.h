// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_TAG_H
#define JAEGERTRACING_TAG_H

#include <opentracing/value.h>

#include <string>
#include <utility>
#include <vector>

#include "jaegertracing/utils/YAML.h"

namespace jaegertracing {

// A key with a value that owns its memory: one of bool, double, int64_t, uint64_t or std::string. Lists and
// dictionaries become JSON text, a null "null".
class Tag {
  public:
    using ValueType = opentracing::Value;

    Tag(const std::string& key, const ValueType& value);
    template <typename Value>
    explicit Tag(const std::pair<std::string, Value>& pair) : Tag(pair.first, ValueType(pair.second)) {}

    const std::string& key() const { return _key; }
    const ValueType& value() const { return _value; }
    bool operator==(const Tag& other) const { return _key == other._key && _value == other._value; }

    // A map of scalars; anything else is ignored.
    static std::vector<Tag> parse(const YAML::Node& node);

  private:
    std::string _key;
    ValueType _value;
};

}  // namespace jaegertracing

#endif  // JAEGERTRACING_TAG_H
