// SPDX-License-Identifier: MIT
// The other style: configuration from a file, a console logger, children of a context, static_pointer_cast to
// the interface.
#include <jaegertracing/Tracer.h>
#include <yaml-cpp/yaml.h>

#include <iostream>

namespace {

void setUp(const char* path) {
    auto yaml = YAML::LoadFile(path);
    auto config = jaegertracing::Config::parse(yaml);
    assert(config.reporter().logSpans());
    auto tracer =
        jaegertracing::Tracer::make("example-service", config, jaegertracing::logging::consoleLogger());
    opentracing::Tracer::InitGlobal(std::static_pointer_cast<opentracing::Tracer>(tracer));
}

void inner(const std::unique_ptr<opentracing::Span>& parent) {
    auto span = opentracing::Tracer::Global()->StartSpan("inner", {opentracing::ChildOf(&parent->context())});
    span->SetTag("answer", 42);
}

void outer() {
    auto span = opentracing::Tracer::Global()->StartSpan("outer");
    inner(span);
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc < 2) {
        std::cerr << "usage: " << argv[0] << " <config-yaml-path>\n";
        return 1;
    }
    try {
        setUp(argv[1]);
        outer();
        opentracing::Tracer::Global()->Close();
    } catch (const std::exception& problem) {
        std::cerr << "Error: " << problem.what() << '\n';
        return 1;
    }
    return 0;
}
