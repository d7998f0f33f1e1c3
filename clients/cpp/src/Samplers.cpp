// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cctype>
#include <chrono>
#include <mutex>

#include "jaegertracing/samplers/Config.h"

namespace jaegertracing {
namespace samplers {
namespace {

std::vector<Tag> samplerTags(const char* type, const opentracing::Value& param) {
    return {Tag(kSamplerTypeTagKey, type), Tag(kSamplerParamTagKey, param)};
}

// Nobody reads how a trace was chosen that was not: most traces are not, and copying tags costs more than all
// the rest of the decision.
SamplingStatus decided(bool sampled, const std::vector<Tag>& tags) {
    static const std::vector<Tag> none;
    return SamplingStatus(sampled, sampled ? tags : none);
}

class ConstSampler : public Sampler {
  public:
    explicit ConstSampler(bool sample) : _status(decided(sample, samplerTags(kSamplerTypeConst, sample))) {}
    SamplingStatus isSampled(const TraceID&, const std::string&) override { return _status; }

  private:
    const SamplingStatus _status;
};

// Decides by the id, so that every service with the same rate decides alike.
class ProbabilisticSampler : public Sampler {
  public:
    explicit ProbabilisticSampler(double rate)
        : _boundary(static_cast<uint64_t>(static_cast<long double>(kIdMask) * rate)),
          _never(rate <= 0),
          _tags(samplerTags(kSamplerTypeProbabilistic, rate)) {}
    SamplingStatus isSampled(const TraceID& id, const std::string&) override {
        return decided(!_never && (id.low() & kIdMask) <= _boundary, _tags);
    }

  private:
    static constexpr uint64_t kIdMask = 0x7fffffffffffffffU;
    const uint64_t _boundary;
    const bool _never;
    const std::vector<Tag> _tags;
};

// Token bucket: at most `rate` traces a second on average, at most max(rate, 1) at once.
class RateLimitingSampler : public Sampler {
  public:
    RateLimitingSampler(double rate, const char* type)
        : _rate(rate),
          _capacity(std::max(rate, 1.0)),
          _balance(_capacity),
          _last(Clock::now()),
          _tags(samplerTags(type, rate)) {}
    SamplingStatus isSampled(const TraceID&, const std::string&) override {
        std::lock_guard<std::mutex> lock(_mutex);
        const auto now = Clock::now();
        _balance = std::min(_capacity, _balance + std::chrono::duration<double>(now - _last).count() * _rate);
        _last = now;
        const bool sampled = _balance >= 1;
        if (sampled) _balance -= 1;
        return decided(sampled, _tags);
    }

  private:
    using Clock = std::chrono::steady_clock;
    const double _rate;
    const double _capacity;
    std::mutex _mutex;
    double _balance;
    Clock::time_point _last;
    const std::vector<Tag> _tags;
};

class GuaranteedThroughputSampler : public Sampler {
  public:
    GuaranteedThroughputSampler(double rate, double lowerBound)
        : _probabilistic(rate), _atLeast(lowerBound, kSamplerTypeLowerBound) {}
    SamplingStatus isSampled(const TraceID& id, const std::string& operation) override {
        const SamplingStatus chosen = _probabilistic.isSampled(id, operation);
        // A trace chosen by chance counts towards the lower bound as well.
        const SamplingStatus guaranteed = _atLeast.isSampled(id, operation);
        return chosen.isSampled() ? chosen : guaranteed;
    }

  private:
    ProbabilisticSampler _probabilistic;
    RateLimitingSampler _atLeast;
};

std::unique_ptr<Sampler> refuse(logging::Logger& logger, const std::string& problem) {
    logger.error(problem);
    return nullptr;
}

}  // namespace

std::unique_ptr<Sampler> Config::makeSampler(logging::Logger& logger) const {
    constexpr double kLowerBoundPerSecond = 0.1;
    std::string type = _type;
    std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
    if (type == kSamplerTypeConst) return std::unique_ptr<Sampler>(new ConstSampler(_param != 0));
    if (type == kSamplerTypeRateLimiting) {
        if (_param < 0)
            return refuse(logger, "A ratelimiting sampler needs a param of 0 or more traces a second.");
        return std::unique_ptr<Sampler>(new RateLimitingSampler(_param, kSamplerTypeRateLimiting));
    }
    if (type == kSamplerTypeProbabilistic || type == kSamplerTypeGuaranteedThroughput ||
        type == kSamplerTypeLowerBound) {
        if (!(_param >= 0 && _param <= 1))
            return refuse(logger, "A " + type + " sampler needs a param from 0 to 1, not " +
                                      std::to_string(_param) + ".");
        if (type == kSamplerTypeProbabilistic)
            return std::unique_ptr<Sampler>(new ProbabilisticSampler(_param));
        return std::unique_ptr<Sampler>(new GuaranteedThroughputSampler(_param, kLowerBoundPerSecond));
    }
    if (type == kSamplerTypeRemote) {
        logger.info("Sampler type remote is not supported: every trace is sampled (const 1).");
        return std::unique_ptr<Sampler>(new ConstSampler(true));
    }
    return refuse(logger, "Unknown sampler type " + _type + ".");
}

}  // namespace samplers
}  // namespace jaegertracing
