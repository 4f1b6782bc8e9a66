// The C interface: decoded code as JSON and text; see capi.h.
#include "vgpu/isa/audit/capi.h"

#include <array>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "vgpu/isa/audit/mix.h"
#include "vgpu/isa/audit/rules.h"
#include "vgpu/isa/print.h"

#define VGPU_ISA_EXPORT __attribute__((visibility("default")))

namespace {

using namespace vgpu::isa;

char* give(const std::string& text) {
    char* out = static_cast<char*>(std::malloc(text.size() + 1));
    if (out != nullptr) {
        std::memcpy(out, text.c_str(), text.size() + 1);
    }
    return out;
}

// Machine code may lie at any address in a mapped file.
std::vector<std::uint32_t> words_of(const void* code, std::size_t bytes) {
    std::vector<std::uint32_t> words(bytes / 4);
    if (!words.empty()) {
        std::memcpy(words.data(), code, words.size() * 4);
    }
    return words;
}

// A JSON text under construction: commas are set where they are due.
class Json {
public:
    Json& open(char bracket) { return separate().raw(bracket); }
    Json& close(char bracket) {
        due_ = true;
        text_ += bracket;
        return *this;
    }
    Json& key(std::string_view name) {
        value(name);
        text_ += ':';
        due_ = false;
        return *this;
    }
    Json& value(std::string_view s) {
        separate();
        text_ += '"';
        for (const char c : s) {
            if (c == '"' || c == '\\') {
                text_ += '\\';
            }
            text_ += c;
        }
        text_ += '"';
        due_ = true;
        return *this;
    }
    Json& value(std::uint64_t n) {
        separate();
        text_ += std::to_string(n);
        due_ = true;
        return *this;
    }
    Json& value(const char* s) { return value(std::string_view(s)); }
    Json& value(const std::string& s) { return value(std::string_view(s)); }
    Json& value(std::same_as<bool> auto b) {  // of bool alone: a pointer must not become one
        separate();
        text_ += b ? "true" : "false";
        due_ = true;
        return *this;
    }
    const std::string& text() const { return text_; }

private:
    Json& separate() {
        if (due_) {
            text_ += ',';
        }
        due_ = false;
        return *this;
    }
    Json& raw(char c) {
        text_ += c;
        return *this;
    }

    std::string text_;
    bool due_ = false;
};

void mix(Json& json, const audit::Mix& m) {
    json.key("mix").open('{');
    for (std::size_t k = 0; k < audit::kind_count; ++k) {
        if (m.by_kind[k] != 0) {
            json.key(audit::name(static_cast<audit::Kind>(k))).value(std::uint64_t{m.by_kind[k]});
        }
    }
    json.close('}');
}

constexpr std::array<std::string_view, 20> format_names = {
    "SOP1",  "SOP2",  "SOPC", "SOPK", "SOPP",   "SMEM",    "VOP1",  "VOP2",  "VOPC", "VOP3",
    "VOP3B", "VOP3P", "DS",   "FLAT", "GLOBAL", "SCRATCH", "MUBUF", "MTBUF", "MIMG", "EXP"};

}  // namespace

extern "C" {

VGPU_ISA_EXPORT uint32_t vgpu_isa_version(void) { return VGPU_ISA_API_VERSION; }

VGPU_ISA_EXPORT void vgpu_isa_free(char* text) { std::free(text); }

VGPU_ISA_EXPORT char* vgpu_isa_rules(void) {
    Json json;
    json.open('[');
    for (const audit::Rule& r : audit::rules()) {
        json.open('{').key("name").value(r.name).key("source").value(r.source);
        json.key("summary").value(r.summary).close('}');
    }
    return give(json.close(']').text());
}

VGPU_ISA_EXPORT char* vgpu_isa_table(void) {
    Json json;
    json.open('[');
    for (const Row& r : table) {
        json.open('{').key("op").value(r.name).key("format").value(format_names[static_cast<std::size_t>(r.fmt)]);
        json.key("opcode").value(std::uint64_t{r.opcode});
        json.key("dst").value(std::uint64_t{dwords(r.dst)}).key("sdst").value(std::uint64_t{dwords(r.sdst)});
        json.key("src").open('[');
        for (const Ty t : r.src) {
            json.value(std::uint64_t{dwords(t)});
        }
        json.close(']').key("flags").value(r.flags).close('}');
    }
    return give(json.close(']').text());
}

VGPU_ISA_EXPORT char* vgpu_isa_audit(const void* bytes, size_t size, unsigned wave) {
    const std::vector<std::uint32_t> words = words_of(bytes, size);
    const audit::Code code(words, wave);
    std::uint64_t illegal = 0;
    for (const audit::Line& line : code.lines()) {
        illegal += line.status == Status::ok ? 0 : 1;
    }
    Json json;
    json.open('{').key("instructions").value(std::uint64_t{code.lines().size()}).key("illegal").value(illegal);
    mix(json, audit::mix_of(code));
    json.key("findings").open('[');
    for (const audit::Finding& f : audit::check(code)) {
        json.open('{').key("rule").value(f.rule).key("offset").value(std::uint64_t{f.offset});
        json.key("text").value(f.text).close('}');
    }
    json.close(']').key("loops").open('[');
    for (const audit::Loop& loop : audit::loops_of(code)) {
        json.open('{').key("first").value(std::uint64_t{loop.first}).key("last").value(std::uint64_t{loop.last});
        json.key("inner").value(loop.inner).key("instructions").value(std::uint64_t{loop.mix.total()});
        json.key("valu").value(std::uint64_t{loop.mix.valu()});
        json.key("fma").value(std::uint64_t{loop.mix.of(audit::Kind::fma)});
        mix(json, loop.mix);
        json.close('}');
    }
    return give(json.close(']').close('}').text());
}

VGPU_ISA_EXPORT char* vgpu_isa_disassemble(const void* bytes, size_t size, unsigned wave) {
    const std::vector<std::uint32_t> words = words_of(bytes, size);
    const audit::Code decoded(words, wave);
    std::string out;
    for (const audit::Line& line : decoded.lines()) {
        std::array<char, 32> head{};
        std::snprintf(head.data(), head.size(), "%x %u ", line.offset, static_cast<unsigned>(line.inst.length));
        out += head.data();
        out += line.status == Status::ok ? to_string(line.inst) : "illegal";
        out += '\n';
    }
    return give(out);
}

}  // extern "C"
