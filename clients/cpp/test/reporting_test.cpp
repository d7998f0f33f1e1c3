// SPDX-License-Identifier: MIT
// What arrives at the agent's UDP port.
#include <jaegertracing/Tracer.h>
#include <opentracing/ext/tags.h>
#include <sys/wait.h>

#include <limits>
#include <thread>

#include "Agent.h"

using jaegertracing::Tracer;
using opentracing::ChildOf;
using opentracing::FollowsFrom;

namespace {

jaegertracing::Config config(const Agent& agent, int queueSize = 1000) {
    return jaegertracing::Config(
        false, false, jaegertracing::samplers::Config("const", 1),
        jaegertracing::reporters::Config(queueSize, std::chrono::seconds(60), false, agent.hostPort()));
}

int64_t nowMicros() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void everythingOfASpan() {
    Agent agent;
    auto tracer = Tracer::make("svc", config(agent));
    const int64_t before = nowMicros();
    auto parent = tracer->StartSpan("parent");
    auto earlier = tracer->StartSpan("earlier");
    const auto logTime = std::chrono::system_clock::time_point(std::chrono::microseconds(1700000000123456));
    {
        auto span = tracer->StartSpan("child", {ChildOf(&parent->context()), FollowsFrom(&earlier->context()),
                                                opentracing::SetTag("at-start", 1)});
        span->SetOperationName("renamed");
        span->SetTag(opentracing::ext::span_kind, opentracing::ext::span_kind_rpc_server);
        span->SetTag(opentracing::ext::error, true);
        span->SetTag("double", 0.25);
        span->SetTag("negative", -7);
        span->SetTag("huge", std::numeric_limits<uint64_t>::max());
        span->SetTag("overwritten", "a");
        span->SetTag("overwritten", std::string("b"));
        span->SetTag("null", nullptr);
        span->SetTag("list", opentracing::Values{1, "x\"", true});
        for (int i = 0; i < 20; ++i) span->SetTag("tag" + std::to_string(i), i);
        span->Log({{"event", "soft error"}, {"waited.millis", 1500}});
        span->Log(logTime, {{"event", "timed"}});
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    parent->Finish();
    earlier->Finish();
    const auto batchesBeforeClose = agent.batches();
    CHECK(batchesBeforeClose.empty());
    tracer->Close();

    const auto batches = agent.batches();
    CHECK_EQUAL(batches.size(), size_t(1));
    const Thrift& process = batches[0].at(1);
    CHECK_EQUAL(process.at(1).text, std::string("svc"));
    CHECK_EQUAL(findTag(process.at(2), "process.pid")->at(6).number, int64_t(getpid()));
    CHECK(findTag(process.at(2), "jaeger.version") != nullptr);
    CHECK(findTag(process.at(2), "hostname") != nullptr);
    CHECK(findTag(process.at(2), "ip") != nullptr);

    const auto& spans = batches[0].at(2).list;
    CHECK_EQUAL(spans.size(), size_t(3));
    const Thrift& child = spans[0];
    const Thrift& root = spans[1];
    CHECK_EQUAL(child.at(5).text, std::string("renamed"));
    CHECK_EQUAL(root.at(5).text, std::string("parent"));
    CHECK_EQUAL(child.at(1).number, root.at(1).number);
    CHECK_EQUAL(child.at(2).number, int64_t(0));
    CHECK_EQUAL(child.at(4).number, root.at(3).number);
    CHECK_EQUAL(root.at(4).number, int64_t(0));
    CHECK_EQUAL(child.at(7).number, int64_t(1));
    CHECK(root.at(8).number >= before && root.at(8).number <= nowMicros());
    CHECK(child.at(9).number >= 5000 && child.at(9).number < 5000000);
    CHECK(root.at(9).number >= child.at(9).number);
    CHECK_EQUAL(findTag(root.at(10), "sampler.type")->at(3).text, std::string("const"));
    CHECK_EQUAL(findTag(root.at(10), "sampler.param")->at(5).number, int64_t(1));

    const auto& references = child.at(6).list;
    CHECK_EQUAL(references.size(), size_t(1));
    CHECK_EQUAL(references[0].at(1).number, int64_t(1));
    CHECK_EQUAL(references[0].at(4).number, spans[2].at(3).number);

    const Thrift& tags = child.at(10);
    CHECK_EQUAL(findTag(tags, "at-start")->at(6).number, int64_t(1));
    CHECK_EQUAL(findTag(tags, "span.kind")->at(3).text, std::string("server"));
    CHECK_EQUAL(findTag(tags, "error")->at(2).number, int64_t(2));
    CHECK_EQUAL(findTag(tags, "error")->at(5).number, int64_t(1));
    CHECK_EQUAL(findTag(tags, "double")->at(4).real, 0.25);
    CHECK_EQUAL(findTag(tags, "negative")->at(6).number, int64_t(-7));
    CHECK_EQUAL(findTag(tags, "huge")->at(3).text, std::string("18446744073709551615"));
    CHECK_EQUAL(findTag(tags, "overwritten")->at(3).text, std::string("b"));
    CHECK_EQUAL(findTag(tags, "null")->at(3).text, std::string("null"));
    CHECK_EQUAL(findTag(tags, "list")->at(3).text, std::string("[1,\"x\\\"\",true]"));
    CHECK_EQUAL(findTag(tags, "tag19")->at(6).number, int64_t(19));
    const auto& logs = child.at(11).list;
    CHECK_EQUAL(logs.size(), size_t(2));
    CHECK_EQUAL(findTag(logs[0].at(2), "waited.millis")->at(6).number, int64_t(1500));
    CHECK_EQUAL(logs[1].at(1).number, int64_t(1700000000123456));
}

void manySpansSplitAndCount() {
    Agent agent;
    auto tracer = Tracer::make("svc", config(agent, 5000));
    const std::string filler(500, 'x');
    for (int i = 0; i < 400; ++i) tracer->StartSpan("s")->SetTag("filler", filler);
    tracer->StartSpan("too large")->SetTag("filler", std::string(66000, 'x'));
    tracer->Close();
    const auto batches = agent.batches();
    size_t spans = 0;
    for (const Thrift& batch : batches) spans += batch.at(2).list.size();
    CHECK(batches.size() >= 4);
    CHECK_EQUAL(spans, size_t(400));
    const auto statistics = std::static_pointer_cast<Tracer>(tracer)->statistics();
    CHECK_EQUAL(statistics.started, uint64_t(401));
    CHECK_EQUAL(statistics.finished, uint64_t(401));
    CHECK_EQUAL(statistics.reported, uint64_t(400));
    CHECK_EQUAL(statistics.droppedLarge, uint64_t(1));
}

void aFullQueueDropsAndCounts() {
    Agent agent;
    auto tracer = Tracer::make("svc", config(agent, 4));
    const auto started = uint64_t(20000);
    for (uint64_t i = 0; i < started; ++i) tracer->StartSpan("s")->Finish();
    tracer->StartSpan("last")->Finish();
    tracer->Close();
    const auto statistics = std::static_pointer_cast<Tracer>(tracer)->statistics();
    CHECK(statistics.droppedQueue > 0);
    CHECK_EQUAL(statistics.reported + statistics.droppedQueue + statistics.droppedFailed, started + 1);
    int64_t told = 0;
    for (const Thrift& batch : agent.batches()) told = batch.at(4).at(1).number;
    CHECK(told > 0);
}

void spansAreFlushedWithoutClose() {
    Agent agent;
    setenv("SKUA_JAEGER_AGENT", agent.hostPort().c_str(), 1);
    const jaegertracing::reporters::Config elsewhere(100, std::chrono::seconds(60), false, "127.0.0.1:1");
    auto tracer = Tracer::make(
        "svc", jaegertracing::Config(false, jaegertracing::samplers::Config("const", 1), elsewhere));
    unsetenv("SKUA_JAEGER_AGENT");
    tracer->StartSpan("s")->Finish();
    std::vector<Thrift> spans;
    for (int i = 0; i < 100 && spans.empty(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        spans = agent.spans();
    }
    CHECK_EQUAL(spans.size(), size_t(1));
}

void unsampledSpansAreNotReported() {
    Agent agent;
    const jaegertracing::Config none(false, jaegertracing::samplers::Config("const", 0),
                                     config(agent).reporter());
    auto tracer = Tracer::make("svc", none);
    auto span = tracer->StartSpan("no");
    auto raised = tracer->StartSpan("raised", {ChildOf(&span->context())});
    raised->SetTag(opentracing::ext::sampling_priority, 1);
    raised->Finish();
    span->Finish();
    tracer->Close();
    const auto spans = agent.spans();
    CHECK_EQUAL(spans.size(), size_t(1));
    CHECK_EQUAL(spans[0].at(7).number, int64_t(3));
}

int64_t microsecondsNow() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// It did not note the time of day when it began.
void aSpanThatIsSampledLaterHasItsTimes() {
    Agent agent;
    const jaegertracing::Config none(false, jaegertracing::samplers::Config("const", 0),
                                     config(agent).reporter());
    auto tracer = Tracer::make("svc", none);
    const int64_t before = microsecondsNow();
    auto span = tracer->StartSpan("raised");
    const int64_t after = microsecondsNow();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    span->SetTag(opentracing::ext::sampling_priority, 1);
    span->Finish();
    tracer->Close();
    const auto spans = agent.spans();
    CHECK_EQUAL(spans.size(), size_t(1));
    // A microsecond for the rounding of each.
    CHECK(spans[0].at(8).number >= before - 1);
    CHECK(spans[0].at(8).number <= after + 1);
    CHECK(spans[0].at(9).number >= 20000);
}

void baggageIsInheritedFromEveryReference() {
    auto tracer = Tracer::make("svc", jaegertracing::Config());
    auto a = tracer->StartSpan("a");
    auto b = tracer->StartSpan("b");
    a->SetBaggageItem("both", "of a");
    b->SetBaggageItem("both", "of b");
    b->SetBaggageItem("only", "b");
    auto child = tracer->StartSpan("c", {ChildOf(&a->context()), opentracing::FollowsFrom(&b->context())});
    b->SetBaggageItem("only", "changed");
    CHECK_EQUAL(child->BaggageItem("both"), std::string("of a"));
    CHECK_EQUAL(child->BaggageItem("only"), std::string("b"));
    CHECK_EQUAL(child->BaggageItem("none"), std::string());
}

void aForkedChildDoesNotHang() {
    Agent agent;
    auto tracer = Tracer::make("svc", config(agent));
    const pid_t child = fork();
    if (child == 0) {
        tracer->StartSpan("in the child")->Finish();
        tracer->Close();
        const auto statistics = std::static_pointer_cast<Tracer>(tracer)->statistics();
        tracer.reset();
        _exit(statistics.droppedQueue == 1 ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
    tracer->StartSpan("in the parent")->Finish();
    tracer->Close();
    CHECK_EQUAL(agent.spans().size(), size_t(1));
}

void anAbsentAgentIsNoError() {
    auto tracer = Tracer::make(
        "svc", jaegertracing::Config(false, jaegertracing::samplers::Config("const", 1),
                                     jaegertracing::reporters::Config(10, std::chrono::seconds(1), false,
                                                                      "no.such.host.invalid:1")));
    tracer->StartSpan("s")->Finish();
    tracer->Close();
    CHECK_EQUAL(std::static_pointer_cast<Tracer>(tracer)->statistics().droppedFailed, uint64_t(1));
}

}  // namespace

int main() {
    everythingOfASpan();
    manySpansSplitAndCount();
    aFullQueueDropsAndCounts();
    spansAreFlushedWithoutClose();
    unsampledSpansAreNotReported();
    aSpanThatIsSampledLaterHasItsTimes();
    baggageIsInheritedFromEveryReference();
    aForkedChildDoesNotHang();
    anAbsentAgentIsNoError();
    std::cout << "ok\n";
}
