// Two processes share device memory: the first starts the second with the handle in hex.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "check.h"

__global__ void times(int* data, int by) { data[threadIdx.x] *= by; }

std::string to_hex(const hipIpcMemHandle_t& handle) {
    std::string text;
    char two[3];
    for (size_t i = 0; i < sizeof(handle); ++i) {
        std::snprintf(two, sizeof(two), "%02x", reinterpret_cast<const unsigned char*>(&handle)[i]);
        text += two;
    }
    return text;
}

int second(const std::string& hex) {
    hipIpcMemHandle_t handle;
    for (size_t i = 0; i < sizeof(handle); ++i) {
        reinterpret_cast<unsigned char*>(&handle)[i] =
            static_cast<unsigned char>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
    }
    int* data = nullptr;
    HIP(hipIpcOpenMemHandle(reinterpret_cast<void**>(&data), handle, hipIpcMemLazyEnablePeerAccess));
    times<<<1, 64>>>(data, 3);
    HIP(hipDeviceSynchronize());
    HIP(hipIpcCloseMemHandle(data));
    return 0;
}

int main(int count, char** words) {
    if (count == 2) return second(words[1]);
    int host[64], *data;
    for (int i = 0; i < 64; ++i) host[i] = i;
    HIP(hipMalloc(&data, sizeof(host)));
    HIP(hipMemcpy(data, host, sizeof(host), hipMemcpyHostToDevice));
    hipIpcMemHandle_t handle;
    HIP(hipIpcGetMemHandle(&handle, data));
    const std::string hex = to_hex(handle);
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", words[0], hex.c_str(), nullptr);
        _exit(9);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    HIP(hipMemcpy(host, data, sizeof(host), hipMemcpyDeviceToHost));
    for (int i = 0; i < 64; ++i) CHECK(host[i] == 3 * i);
    std::printf("%s\n", failures == 0 ? "passed" : "FAILED");
    return failures;
}
