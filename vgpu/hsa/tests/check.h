// The smallest test frame that serves: named tests, checks that name their line.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace vgpu::test {

struct Test {
    const char* name;
    std::function<void()> body;
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Register {
    Register(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

}  // namespace vgpu::test

#define TEST(name)                                                  \
    static void name();                                             \
    static const vgpu::test::Register register_##name(#name, name); \
    static void name()

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            ++vgpu::test::failures();                                                      \
        }                                                                                  \
    } while (false)

// Runs all tests, or those named on the command line; the exit status counts failures.
inline int run_tests(int count, char** names) {
    int ran = 0;
    for (const auto& test : vgpu::test::tests()) {
        bool wanted = count <= 1;
        for (int i = 1; i < count; ++i) {
            wanted = wanted || std::string(names[i]) == test.name;
        }
        if (!wanted) {
            continue;
        }
        const int before = vgpu::test::failures();
        test.body();
        ++ran;
        std::printf("%s %s\n", vgpu::test::failures() == before ? "ok  " : "FAIL", test.name);
        std::fflush(stdout);
    }
    return ran == 0 || vgpu::test::failures() != 0 ? 1 : 0;
}
