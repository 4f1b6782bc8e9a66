// vgpu-exec: runs kernels of a code object on the execution core alone, without HSA.
// Reads commands from standard input, one a line:
//   code FILE                    load a code object
//   buffer NAME BYTES [FILE]     allocate device memory, zero or from a file
//   grid X Y Z | group X Y Z     work-items, as in an AQL packet
//   lds BYTES | scratch BYTES    group and private segment (default: the descriptor's)
//   arg ptr NAME [OFFSET]        a kernel argument, aligned to its size
//   arg u8|u16|u32|u64 VALUE
//   arg hex BYTES...
//   hidden                       the implicit arguments of code object v5
//   run KERNEL                   launch; arguments are forgotten afterwards
//   dump NAME FILE
//   stats                        print JSON to standard output
// Ends with status 3 and the fault's text when a kernel faults, 2 on a bad command.
#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>

#include "vgpu/core/engine.h"
#include "vgpu/core/tests/code_object.h"

using namespace vgpu;

namespace {

struct Buffer {
    char* base = nullptr;
    std::size_t size = 0;
};

class Runner {
public:
    Runner() : engine_({}, space_) {
        args_.reserve(4096);
        page_ = allocate(65536, "kernarg and packets");
    }

    int command(const std::string& line) {
        std::istringstream in(line);
        std::string word;
        if (!(in >> word) || word[0] == '#') return 0;
        if (word == "code") return load(in);
        if (word == "buffer") return buffer(in);
        if (word == "grid") return !(in >> launch_.grid[0] >> launch_.grid[1] >> launch_.grid[2]) ? bad(line) : 0;
        if (word == "group")
            return !(in >> launch_.workgroup[0] >> launch_.workgroup[1] >> launch_.workgroup[2]) ? bad(line) : 0;
        if (word == "lds") return !(in >> launch_.group_segment_bytes) ? bad(line) : 0;
        if (word == "scratch") return !(in >> launch_.private_segment_bytes) ? bad(line) : 0;
        if (word == "arg") return argument(in, line);
        if (word == "hidden") return hidden();
        if (word == "run") return run(in, line);
        if (word == "dump") return dump(in, line);
        if (word == "stats") {
            std::fputs(engine_.stats().json().c_str(), stdout);
            return 0;
        }
        return bad(line);
    }

private:
    static int bad(const std::string& line) {
        std::fprintf(stderr, "vgpu-exec: cannot do '%s'\n", line.c_str());
        return 2;
    }

    char* allocate(std::size_t size, const std::string& label) {
        void* p = mmap(nullptr, (size + 4095) & ~std::size_t{4095}, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
        space_.add(reinterpret_cast<std::uint64_t>(p), size, core::AddressSpace::Device, label);
        return static_cast<char*>(p);
    }

    int load(std::istringstream& in) {
        std::string file;
        in >> file;
        code_ = std::make_unique<tests::CodeObject>(file, space_);
        if (code_->problem.empty()) return 0;
        return bad("code: " + code_->problem);
    }

    int buffer(std::istringstream& in) {
        std::string name, file;
        std::size_t size = 0;
        in >> name >> size >> file;
        Buffer b{allocate(size, "buffer " + name), size};
        if (!file.empty()) {
            std::ifstream data(file, std::ios::binary);
            data.read(b.base, static_cast<std::streamsize>(size));
        }
        buffers_[name] = b;
        return 0;
    }

    template <class T>
    void push(T value) {
        while (args_.size() % sizeof(T) != 0) args_.push_back(0);
        const auto* p = reinterpret_cast<const char*>(&value);
        args_.insert(args_.end(), p, p + sizeof(T));
    }

    int argument(std::istringstream& in, const std::string& line) {
        std::string kind, value;
        in >> kind >> value;
        if (kind == "ptr") {
            const auto it = buffers_.find(value);
            if (it == buffers_.end()) return bad(line);
            std::uint64_t offset = 0;
            in >> offset;
            push(reinterpret_cast<std::uint64_t>(it->second.base) + offset);
            return 0;
        }
        if (kind == "hex") {
            for (std::size_t i = 0; i + 1 < value.size(); i += 2)
                args_.push_back(static_cast<char>(std::stoi(value.substr(i, 2), nullptr, 16)));
            return 0;
        }
        const std::uint64_t number = std::strtoull(value.c_str(), nullptr, 0);
        if (kind == "u8") push(static_cast<std::uint8_t>(number));
        else if (kind == "u16") push(static_cast<std::uint16_t>(number));
        else if (kind == "u32") push(static_cast<std::uint32_t>(number));
        else if (kind == "u64") push(number);
        else return bad(line);
        return 0;
    }

    int hidden() {
        while (args_.size() % 8 != 0) args_.push_back(0);
        const std::size_t at = args_.size();
        args_.resize(at + 256);
        for (unsigned i = 0; i < 3; ++i) {
            const std::uint32_t count = launch_.grid[i] / launch_.workgroup[i];
            const auto size = static_cast<std::uint16_t>(launch_.workgroup[i]),
                       rest = static_cast<std::uint16_t>(launch_.grid[i] % launch_.workgroup[i]);
            std::memcpy(&args_[at + 4 * i], &count, 4);
            std::memcpy(&args_[at + 12 + 2 * i], &size, 2);
            std::memcpy(&args_[at + 18 + 2 * i], &rest, 2);
        }
        const std::uint16_t dims = launch_.grid[2] > 1 ? 3 : launch_.grid[1] > 1 ? 2 : 1;
        std::memcpy(&args_[at + 64], &dims, 2);
        return 0;
    }

    int run(std::istringstream& in, const std::string& line) {
        in >> launch_.kernel_name;
        launch_.descriptor_address = code_ ? code_->symbol(launch_.kernel_name + ".kd") : 0;
        if (launch_.descriptor_address == 0) return bad(line);
        std::memcpy(page_, args_.data(), args_.size());
        launch_.kernarg = reinterpret_cast<std::uint64_t>(page_);
        launch_.dispatch_packet = launch_.kernarg + 32768;
        launch_.queue = launch_.kernarg + 40960;
        auto* packet = reinterpret_cast<std::uint16_t*>(launch_.dispatch_packet);
        for (unsigned i = 0; i < 3; ++i) {
            packet[2 + i] = static_cast<std::uint16_t>(launch_.workgroup[i]);
            std::memcpy(packet + 6 + 2 * i, &launch_.grid[i], 4);
        }
        const auto begin = std::chrono::steady_clock::now();
        const auto before = engine_.stats().instructions;
        const auto fault = engine_.run(launch_);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        const auto ran = engine_.stats().instructions - before;
        std::fprintf(stderr, "%s: %.6f s, %llu wave instructions, %.1f M/s\n", launch_.kernel_name.c_str(), seconds,
                     static_cast<unsigned long long>(ran), static_cast<double>(ran) / seconds / 1e6);
        args_.clear();
        if (!fault) return 0;
        for (const std::string& text : fault->lines) std::fprintf(stderr, "fault: %s\n", text.c_str());
        return 3;
    }

    int dump(std::istringstream& in, const std::string& line) {
        std::string name, file;
        in >> name >> file;
        const auto it = buffers_.find(name);
        if (it == buffers_.end()) return bad(line);
        std::ofstream(file, std::ios::binary).write(it->second.base, static_cast<std::streamsize>(it->second.size));
        return 0;
    }

    core::AddressSpace space_;
    core::Engine engine_;
    std::unique_ptr<tests::CodeObject> code_;
    std::map<std::string, Buffer> buffers_;
    std::vector<char> args_;
    char* page_ = nullptr;
    core::LaunchInfo launch_;
};

}  // namespace

int main() {
    Runner runner;
    std::string line;
    while (std::getline(std::cin, line))
        if (const int status = runner.command(line)) return status;
    return 0;
}
