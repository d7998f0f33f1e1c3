// SPDX-License-Identifier: MIT
#ifndef SKUA_TEST_CHECK_H
#define SKUA_TEST_CHECK_H

#include <cstdlib>
#include <iostream>

// Ends the test program at the first thing that is wrong.
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            std::cerr << __FILE__ << ':' << __LINE__ << ": " << #condition << '\n'; \
            std::exit(1);                                                           \
        }                                                                           \
    } while (0)

#define CHECK_EQUAL(actual, expected)                                                                        \
    do {                                                                                                     \
        const auto actualValue = (actual);                                                                   \
        const auto expectedValue = (expected);                                                               \
        if (!(actualValue == expectedValue)) {                                                               \
            std::cerr << __FILE__ << ':' << __LINE__ << ": " << #actual << " is " << actualValue << ", not " \
                      << expectedValue << '\n';                                                              \
            std::exit(1);                                                                                    \
        }                                                                                                    \
    } while (0)

#endif  // SKUA_TEST_CHECK_H
