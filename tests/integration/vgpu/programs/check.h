// Shared by the HIP test programs: errors end the program, checks count.
#pragma once

#include <hip/hip_runtime.h>

#include <cstdio>
#include <cstdlib>

#define HIP(call) \
    do { \
        const hipError_t error_ = (call); \
        if (error_ != hipSuccess) { \
            std::printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #call, hipGetErrorName(error_)); \
            std::exit(3); \
        } \
    } while (false)

inline int failures = 0;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            ++failures; \
        } \
    } while (false)
