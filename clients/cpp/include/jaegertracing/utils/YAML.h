// SPDX-License-Identifier: MIT
#ifndef JAEGERTRACING_UTILS_YAML_H
#define JAEGERTRACING_UTILS_YAML_H

#include "jaegertracing/Constants.h"

#ifdef JAEGERTRACING_WITH_YAML_CPP
#include <yaml-cpp/yaml.h>
#else
namespace YAML {
class Node;
}
#endif

#endif  // JAEGERTRACING_UTILS_YAML_H
