// SPDX-License-Identifier: MIT
// Entry point of OpenTracing's dynamic loader.
#include <opentracing/dynamic_load.h>

#include <cstring>
#include <new>
#include <system_error>

#include "jaegertracing/TracerFactory.h"

static int makeFactory(const char* opentracingVersion, const char* opentracingABIVersion,
                       const void** errorCategory, void* errorMessage, void** tracerFactory) {
    if (errorCategory == nullptr || tracerFactory == nullptr || opentracingABIVersion == nullptr) return -1;
    // The ABI decides; the library's version is only named in the message.
    if (std::strcmp(opentracingABIVersion, OPENTRACING_ABI_VERSION) != 0) {
        if (errorMessage != nullptr) {
            *static_cast<std::string*>(errorMessage) =
                std::string("OpenTracing ") + (opentracingVersion == nullptr ? "" : opentracingVersion) +
                " has ABI version " + opentracingABIVersion +
                ", this tracer was built for " OPENTRACING_ABI_VERSION;
        }
        *errorCategory = &opentracing::dynamic_load_error_category();
        return opentracing::incompatible_library_versions_error.value();
    }
    *tracerFactory = new (std::nothrow) jaegertracing::TracerFactory();
    if (*tracerFactory == nullptr) {
        *errorCategory = &std::generic_category();
        return static_cast<int>(std::errc::not_enough_memory);
    }
    return 0;
}

OPENTRACING_DECLARE_IMPL_FACTORY(makeFactory)
