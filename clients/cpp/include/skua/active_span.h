// SPDX-License-Identifier: MIT
#ifndef SKUA_ACTIVE_SPAN_H
#define SKUA_ACTIVE_SPAN_H

#include <opentracing/span.h>

#include <memory>

namespace jaegertracing {
class Activation;
}

namespace skua {

// Makes a span the active one of this thread for as long as the object lives: for work handed over to another
// thread than the one that started the span. Does nothing for spans of other tracers.
class ActiveSpan {
  public:
    explicit ActiveSpan(const opentracing::SpanContext& context);
    ~ActiveSpan();
    ActiveSpan(const ActiveSpan&) = delete;
    ActiveSpan& operator=(const ActiveSpan&) = delete;

  private:
    std::shared_ptr<jaegertracing::Activation> _activation;
};

}  // namespace skua

#endif  // SKUA_ACTIVE_SPAN_H
