// vgpu-step: runs single instructions on a wave whose registers the caller sets. For
// tests of semantics: tests/unit/vgpu_core drives it, one request and one answer a line.
//
// A request is a list of commands separated by ';':
//   wave 32|64            a fresh wave: registers 0, exec all ones, mode 0x3f0 (denormals
//                         kept, DX10 clamp, IEEE)
//   v N HEX HEX ...       lanes of VGPR N, the last value repeated
//   s N HEX               slot N of the scalar file (ISA operand codes; 128 is SCC)
//   mode HEX              MODE register
//   lds OFFSET HEX ...    dwords of LDS (65536 bytes)
//   mem OFFSET HEX ...    dwords of the one page of memory, at `base`
//   scratch BYTES         the page as private memory of so many bytes a lane
//   run HEX ...           the words of one instruction
//   play HEX ...          the words of a few instructions, to s_endpgm or a stop
//   get v N | get s N | get lds OFFSET COUNT | get mem OFFSET COUNT | get base | get host
// The answer is what the gets asked for, in hexadecimal; "fault: TEXT" ends a request. `host` is a word: the build of
// the handlers that runs (VGPU_HOST_ISA wants one).
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>

#include "vgpu/core/launch.h"

using namespace vgpu;
using namespace vgpu::core;

namespace {

constexpr std::size_t kPage = 65536;
constexpr unsigned kWords = 64, kSteps = 1000;

class Stepper {
public:
    Stepper()
        : options_(Options::from_environment()),
          handlers_(choose_handlers(options_.isa_path)),
          code_(handlers_, space_, options_.inject),
          launch_(LaunchInfo{}, profile_, options_, code_, space_, gws_, 0) {
        page_ = map();
        text_ = map();
        space_.add(reinterpret_cast<u64>(page_), kPage, AddressSpace::Device, "test page");
        space_.add(reinterpret_cast<u64>(text_), kPage, AddressSpace::Code, "test code");
        fresh(32);
    }

    std::string request(const std::string& line) {
        std::string answer;
        std::istringstream parts(line);
        std::string part;
        while (std::getline(parts, part, ';')) {
            std::istringstream in(part);
            std::string word;
            if (!(in >> word)) continue;
            if (word == "wave") {
                unsigned lanes = 32;
                in >> lanes;
                fresh(lanes);
            } else if (word == "run" || word == "play") {
                const std::string fault = run(in, word == "play");
                if (!fault.empty()) return answer + "fault: " + fault;
            } else if (word == "get") {
                get(in, answer);
            } else if (!set(word, in)) {
                return "bad command: " + part;
            }
        }
        return answer;
    }

private:
    static u8* map() {
        return static_cast<u8*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    }

    void fresh(unsigned lanes) {
        storage_ = std::make_unique<GroupStorage>(1, lanes, space_);
        Workgroup& g = storage_->group;
        g.launch = &launch_;
        g.waves = 1;
        g.wave = storage_->waves.data();
        g.lds = storage_->lds;
        g.lds_size = 65536;
        Wave& w = wave();
        std::memset(w.s, 0, sizeof w.s);
        w.consts = code_.constants();
        w.bases[0] = w.v;
        w.bases[1] = w.consts;
        w.memory = &space_;
        w.group = &g;
        w.lds = g.lds;
        w.lds_size = g.lds_size;
        w.mode = 0x3f0;
        w.s[kExecLo] = 0xffffffff;
        w.s[kExecHi] = lanes == 64 ? 0xffffffff : 0;
        std::memset(page_, 0, kPage);
    }

    Wave& wave() { return storage_->waves[0]; }

    static u32 hex(std::istringstream& in, u32 otherwise = 0) {
        std::string text;
        return in >> text ? static_cast<u32>(std::stoul(text, nullptr, 16)) : otherwise;
    }

    bool set(const std::string& word, std::istringstream& in) {
        Wave& w = wave();
        u32 at = 0;
        if (word == "v") {
            in >> at;
            u32 value = 0;
            for (u32 lane = 0; lane < w.lanes; ++lane) {
                value = hex(in, value);
                w.v[(kHidden + at) * w.lanes + lane] = value;
            }
        } else if (word == "s") {
            in >> at;
            w.s[at] = hex(in);
        } else if (word == "mode") {
            w.mode = hex(in);
        } else if (word == "scratch") {
            in >> w.scratch_lane_bytes;
            w.flat_scratch = reinterpret_cast<u64>(page_);
        } else if (word == "lds" || word == "mem") {
            in >> at;
            std::string text;
            for (; in >> text; at += 4) {
                const u32 value = static_cast<u32>(std::stoul(text, nullptr, 16));
                std::memcpy((word == "lds" ? w.lds : page_) + at, &value, 4);
            }
        } else {
            return false;
        }
        return true;
    }

    std::string run(std::istringstream& in, bool all) {
        u32 words[kWords] = {};
        unsigned n = 0;
        std::string text;
        while (n < kWords - 3 && in >> text) words[n++] = static_cast<u32>(std::stoul(text, nullptr, 16));
        words[n] = 0xbf810000;  // s_endpgm
        code_.invalidate(reinterpret_cast<u64>(text_), kPage);
        std::memcpy(text_, words, sizeof words);
        Wave& w = wave();
        w.state = State::Ready;
        const MicroOp* u = code_.at(reinterpret_cast<u64>(text_), w.lanes);
        set_mode(w, w.mode);
        u = u->fn(w, u);
        for (unsigned k = 0; all && u != nullptr && k < kSteps; ++k) u = u->fn(w, u);
        load_host_csr(0x1f80);
        if (w.state != State::Faulted) return "";
        const Fault f = describe(launch_, w);
        return std::string(to_string(f.kind)) + " | " + f.lines[0];
    }

    void get(std::istringstream& in, std::string& answer) {
        Wave& w = wave();
        std::string what;
        u32 at = 0, count = 1;
        in >> what >> at >> count;
        const auto put = [&](u64 value) {
            char text[20];
            std::snprintf(text, sizeof text, "%llx ", static_cast<unsigned long long>(value));
            answer += text;
        };
        if (what == "v")
            for (u32 lane = 0; lane < w.lanes; ++lane) put(w.v[(kHidden + at) * w.lanes + lane]);
        else if (what == "s") put(w.s[at]);
        else if (what == "base") put(reinterpret_cast<u64>(page_));
        else if (what == "host") answer += handlers_.host;
        else
            for (u32 i = 0; i < count; ++i) {
                u32 value = 0;
                std::memcpy(&value, (what == "lds" ? w.lds : page_) + at + 4 * i, 4);
                put(value);
            }
    }

    AddressSpace space_;
    DeviceProfile profile_;
    Options options_;
    const HandlerSet& handlers_;
    CodeCache code_;
    Gws gws_;
    Launch launch_;
    std::unique_ptr<GroupStorage> storage_;
    u8* page_ = nullptr;
    u8* text_ = nullptr;
};

}  // namespace

int main() {
    Stepper stepper;
    std::string line;
    while (std::getline(std::cin, line)) std::cout << stepper.request(line) << std::endl;
    return 0;
}
