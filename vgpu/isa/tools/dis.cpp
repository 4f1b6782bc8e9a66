// vgpu-dis: decodes raw machine code (a .text section) and prints one instruction a line, for comparison with
// another disassembler and for reading by people.
//
//   vgpu-dis [--wave64] [--records] FILE
//
// Lines are "OFFSET LENGTH TEXT", offset in hexadecimal bytes. An illegal word gives "OFFSET LENGTH illegal".
// --records: FILE is a sequence of records, each a 32-bit count of words and the words; each decoded on its own.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "vgpu/isa/print.h"

namespace {

using namespace vgpu::isa;

void line(std::size_t offset, const Inst& inst, Status status) {
    const std::string text = status == Status::ok          ? to_string(inst)
                             : status == Status::truncated ? "truncated"
                                                           : "illegal";
    std::printf("%zx %u %s\n", offset, static_cast<unsigned>(inst.length), text.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    unsigned wave = 32;
    bool records = false;
    std::string path;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--wave64") {
            wave = 64;
        } else if (arg == "--records") {
            records = true;
        } else {
            path = arg;
        }
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::cerr << "vgpu-dis: cannot read " << path << "\nusage: vgpu-dis [--wave64] [--records] FILE\n";
        return 2;
    }
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<std::uint32_t> words(bytes.size() / 4);
    std::memcpy(words.data(), bytes.data(), words.size() * 4);

    Inst inst;
    for (std::size_t at = 0; at < words.size();) {
        if (records) {
            const std::size_t count = std::min<std::size_t>(words[at], words.size() - at - 1);
            line(4 * at, inst, decode(std::span(words).subspan(at + 1, count), inst, wave));
            at += 1 + count;
            continue;
        }
        const Status status = decode(std::span(words).subspan(at), inst, wave);
        line(4 * at, inst, status);
        at += inst.length / 4;
    }
    return 0;
}
