// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_SAMPLERS_SAMPLER_H
#define JAEGERTRACING_SAMPLERS_SAMPLER_H

#include <string>
#include <vector>

#include "jaegertracing/Tag.h"
#include "jaegertracing/TraceID.h"

namespace jaegertracing {
namespace samplers {

class SamplingStatus {
  public:
    SamplingStatus(bool isSampled, const std::vector<Tag>& tags) : _isSampled(isSampled), _tags(tags) {}
    bool isSampled() const { return _isSampled; }
    // Put on the root span, so that a reader of the trace can tell how it was chosen. Only when it was.
    const std::vector<Tag>& tags() const { return _tags; }

  private:
    bool _isSampled;
    std::vector<Tag> _tags;
};

// Decides for a trace that starts here. Called from any thread.
class Sampler {
  public:
    virtual ~Sampler() = default;
    virtual SamplingStatus isSampled(const TraceID& id, const std::string& operation) = 0;
    virtual void close() {}
};

}  // namespace samplers
}  // namespace jaegertracing

#endif  // JAEGERTRACING_SAMPLERS_SAMPLER_H
