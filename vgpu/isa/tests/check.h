// The smallest test frame that serves: named tests, checks that name their line.
#pragma once

#include <cstdio>
#include <iostream>
#include <vector>

namespace vgpu::isa::test {

struct Test {
    const char* name;
    void (*body)();
};

inline std::vector<Test>& all() {
    static std::vector<Test> tests;
    return tests;
}

inline int failures = 0;

struct Register {
    Register(const char* name, void (*body)()) { all().push_back({name, body}); }
};

template <typename A, typename B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
    if (!(a == b)) {
        std::cerr << file << ":" << line << ": " << text << ": " << a << " is not " << b << "\n";
        ++failures;
    }
}

inline int run() {
    for (const Test& t : all()) {
        const int before = failures;
        t.body();
        std::printf("%s %s\n", failures == before ? "pass" : "FAIL", t.name);
    }
    return failures == 0 && !all().empty() ? 0 : 1;
}

}  // namespace vgpu::isa::test

#define TEST(name)                                                       \
    static void name();                                                  \
    static const vgpu::isa::test::Register register_##name(#name, name); \
    static void name()

#define EQUAL(a, b) vgpu::isa::test::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define CHECK(a) vgpu::isa::test::equal(static_cast<bool>(a), true, #a, __FILE__, __LINE__)
