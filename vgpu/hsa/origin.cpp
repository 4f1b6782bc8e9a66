#include "vgpu/hsa/origin.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace vgpu::hsa {
namespace {

struct Search {
    const void* own = nullptr;  // where this library is loaded
    unsigned depth = 0;
    std::string found;
};

std::string plain_name(const char* symbol) {
    int status = 0;
    char* readable = ::abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string name = readable != nullptr ? readable : symbol;
    std::free(readable);
    return name;
}

_Unwind_Reason_Code look(_Unwind_Context* context, void* data) {
    auto& search = *static_cast<Search*>(data);
    constexpr unsigned kDeepest = 64;
    Dl_info info{};
    const auto ip = static_cast<std::uintptr_t>(_Unwind_GetIP(context));
    if (++search.depth > kDeepest || ip == 0) {
        return _URC_END_OF_STACK;
    }
    // The return address may be that of the next line: one less lies in the call.
    if (dladdr(reinterpret_cast<void*>(ip - 1), &info) == 0 || info.dli_fbase == search.own ||
        info.dli_fname == nullptr) {
        return _URC_NO_REASON;
    }
    std::string_view file = info.dli_fname;
    file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
    if (file.starts_with("libamdhip64.") || file.starts_with("libhsa-runtime64.")) {
        return _URC_NO_REASON;
    }
    char offset[32];
    std::snprintf(offset, sizeof(offset), "+0x%" PRIxPTR, ip - 1 - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
    search.found = std::string(file) + offset;
    if (info.dli_sname != nullptr) {
        search.found += " (" + plain_name(info.dli_sname) + ")";
    }
    return _URC_END_OF_STACK;
}

}  // namespace

std::string call_site() {
    Search search;
    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(&call_site), &info) != 0) {
        search.own = info.dli_fbase;
    }
    _Unwind_Backtrace(look, &search);
    return search.found.empty() ? "an unknown caller" : search.found;
}

}  // namespace vgpu::hsa
