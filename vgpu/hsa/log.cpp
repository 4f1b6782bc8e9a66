#include "vgpu/hsa/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vgpu::hsa {
namespace {

// -1: off. Opened once; lives as long as the process.
int log_descriptor() noexcept {
    static const int descriptor = [] {
        const char* target = std::getenv("VGPU_LOG");
        if (target == nullptr || *target == '\0' || std::strcmp(target, "0") == 0) {
            return -1;
        }
        if (std::strcmp(target, "1") == 0 || std::strcmp(target, "stderr") == 0) {
            return STDERR_FILENO;
        }
        return open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }();
    return descriptor;
}

void write_all(int descriptor, const char* data, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t done = write(descriptor, data, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return;
        }
        data += done;
        size -= static_cast<std::size_t>(done);
    }
}

}  // namespace

bool log_enabled() noexcept { return log_descriptor() >= 0; }

void log_line(const char* format, ...) noexcept {
    const int descriptor = log_descriptor();
    if (descriptor < 0) {
        return;
    }
    char line[1024] = "vgpu: ";
    constexpr std::size_t prefix = 6;
    va_list arguments;
    va_start(arguments, format);
    const int wanted = std::vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, arguments);
    va_end(arguments);
    if (wanted < 0) {
        return;
    }
    std::size_t length = std::strlen(line);
    line[length++] = '\n';
    write_all(descriptor, line, length);
}

void print_stderr(std::string_view text) noexcept { write_all(STDERR_FILENO, text.data(), text.size()); }

}  // namespace vgpu::hsa
