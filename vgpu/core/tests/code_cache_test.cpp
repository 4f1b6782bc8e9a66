// The limits of the code cache: a constant keeps its place while code that names it may run.
#include "vgpu/core/code_cache.h"

#include <cstdio>

#include "vgpu/core/tests/card.h"

using namespace vgpu::core;
using namespace vgpu::core::tests;

namespace {

constexpr u32 kMoves = 100;
constexpr u32 kFirst = 0x40000000;  // a literal, no inline constant

// v_mov_b32_e32 v0, LITERAL with `kMoves` different literals, and s_endpgm.
class Code {
public:
    Code() {
        void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        words = static_cast<u32*>(p);
        space.add(base(), 4096, AddressSpace::Code, "code");
        write(kFirst);
    }
    ~Code() { munmap(words, 4096); }
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;

    void write(u32 first) {
        for (u32 i = 0; i < kMoves; ++i) {
            words[2 * i] = 0x7e0002ff;
            words[2 * i + 1] = first + i;
        }
        words[2 * kMoves] = 0xbf810000;
    }
    u64 base() const { return reinterpret_cast<u64>(words); }
    u64 move(u32 i) const { return base() + u64{8} * i; }

    AddressSpace space;
    u32* words = nullptr;
};

u32 constant_of(const CodeCache& cache, const MicroOp* op) { return cache.constants()[op->src[0] & operand::kValue]; }

void more_constants_than_fit() {
    const Code code;
    const HandlerSet& handlers = choose_handlers("");
    CodeCache cache(handlers, code.space, Inject::None, false, {64, std::size_t{1} << 20});
    cache.enter();
    cache.enter();  // a second launch, beside it
    const MicroOp* const first = cache.at(code.base(), 32);
    u32 count = 0;
    while (count < kMoves && first[count].fn != handlers.no_room) ++count;
    check(count == 63, "zero and 63 literals fit", std::to_string(count));
    check(cache.at(code.move(70), 32)->fn == handlers.no_room, "another one is refused, not mixed up");
    for (u32 i = 0; i < count; ++i) check(constant_of(cache, first + i) == kFirst + i, "a constant keeps its value");
    cache.leave();
    cache.enter();
    check(cache.at(code.move(70), 32)->fn == handlers.no_room, "nothing is forgotten while a launch runs");
    check(constant_of(cache, first) == kFirst, "and nothing overwritten");
    cache.leave();
    cache.leave();
    cache.enter();
    const MicroOp* const again = cache.at(code.move(70), 32);
    check(again->fn != handlers.no_room && constant_of(cache, again) == kFirst + 70, "then there is room again");
    cache.leave();
}

void more_instructions_than_are_kept() {
    Code code;
    CodeCache cache(choose_handlers(""), code.space, Inject::None, false, {std::size_t{1} << 18, kMoves / 2});
    cache.enter();
    check(constant_of(cache, cache.at(code.base(), 32)) == kFirst, "translated");
    code.write(kFirst + 0x1000);  // without a word to the cache: shows whether it still has the old code
    check(constant_of(cache, cache.at(code.base(), 32)) == kFirst, "kept while a launch runs");
    cache.leave();
    cache.enter();
    check(constant_of(cache, cache.at(code.base(), 32)) == kFirst + 0x1000, "forgotten between launches");
    cache.leave();
}

}  // namespace

int main() {
    more_constants_than_fit();
    more_instructions_than_are_kept();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
