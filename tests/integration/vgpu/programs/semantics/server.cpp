// Runs functions of a batch on the CPU and on the card, by request: one process serves thousands of examples.
// Usage: server HOST.so MODULE.co ...
//
// Request, on stdin: a line "NAME N IN OUT TAIL THREADS", then N * IN words for the lanes and TAIL words that lie
// behind the results. Answer: a line "ok BYTES", then blocks of N * OUT + TAIL words: what the CPU gives for waves
// of 32 and of 64 (nothing but the tail where it has no such function), then what each module gives on the card.
// An error of HIP is a line "error TEXT", and the end. Words have 64 bits.
#include <dlfcn.h>
#include <hip/hip_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Words = std::vector<uint64_t>;
using HostFunction = void (*)(const uint64_t*, uint64_t*, uint32_t, uint32_t);

struct Request {
    char name[64];
    uint32_t lanes, in, out, tail, threads;
};

void check(hipError_t error, const char* what) {
    if (error == hipSuccess) return;
    std::printf("error %s: %s\n", what, hipGetErrorName(error));
    std::fflush(stdout);
    std::exit(3);
}

// Memory that the CPU and the card both see: no copies.
struct Buffer {
    uint64_t* words = nullptr;
    size_t capacity = 0;
    uint64_t* reserve(size_t count) {
        if (count > capacity) {
            if (words) check(hipHostFree(words), "hipHostFree");
            void* place = nullptr;
            check(hipHostMalloc(&place, count * sizeof(uint64_t), 0), "hipHostMalloc");
            words = static_cast<uint64_t*>(place);
            capacity = count;
        }
        return words;
    }
};

void answer(const Request& request, void* host, const std::vector<hipModule_t>& modules, Buffer& in, Buffer& out) {
    const size_t results = size_t(request.lanes) * request.out, every = results + request.tail;
    uint64_t* given = in.reserve(size_t(request.lanes) * request.in + request.tail);
    if (std::fread(given, sizeof(uint64_t), size_t(request.lanes) * request.in + request.tail, stdin) !=
        size_t(request.lanes) * request.in + request.tail)
        std::exit(4);
    const uint64_t* tail = given + size_t(request.lanes) * request.in;
    Words whole;
    const auto start = [&](uint64_t* place) {
        std::memset(place, 0, results * sizeof(uint64_t));
        std::memcpy(place + results, tail, request.tail * sizeof(uint64_t));
    };
    const auto function = reinterpret_cast<HostFunction>(dlsym(host, request.name));
    for (const uint32_t wave : {32u, 64u}) {
        Words expected(every);
        start(expected.data());
        if (function) function(given, expected.data(), request.lanes, wave);
        whole.insert(whole.end(), expected.begin(), expected.end());
    }
    uint64_t* got = out.reserve(every);
    for (const hipModule_t one : modules) {
        hipFunction_t kernel = nullptr;
        check(hipModuleGetFunction(&kernel, one, request.name), request.name);
        start(got);
        uint32_t lanes = request.lanes;
        void* arguments[] = {&given, &got, &lanes};
        const uint32_t groups = (request.lanes + request.threads - 1) / request.threads;
        check(hipModuleLaunchKernel(kernel, groups, 1, 1, request.threads, 1, 1, 0, nullptr, arguments, nullptr),
              request.name);
        check(hipDeviceSynchronize(), request.name);
        whole.insert(whole.end(), got, got + every);
    }
    std::printf("ok %zu\n", whole.size() * sizeof(uint64_t));
    std::fwrite(whole.data(), sizeof(uint64_t), whole.size(), stdout);
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
    void* host = dlopen(words[1], RTLD_NOW);
    if (!host) {
        std::printf("error %s\n", dlerror());
        return 5;
    }
    std::vector<hipModule_t> modules;
    for (int i = 2; i < count; ++i) {
        hipModule_t module = nullptr;
        check(hipModuleLoad(&module, words[i]), words[i]);
        modules.push_back(module);
    }
    Buffer in, out;
    Request request{};
    while (std::scanf("%63s %u %u %u %u %u", request.name, &request.lanes, &request.in, &request.out, &request.tail,
                      &request.threads) == 6) {
        std::getchar();
        answer(request, host, modules, in, out);
    }
    return 0;
}
