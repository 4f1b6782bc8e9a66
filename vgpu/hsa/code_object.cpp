#include "vgpu/hsa/code_object.h"

#include <elf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace vgpu::hsa {
namespace {

constexpr std::uint16_t kMachineAmdgpu = 224;
constexpr std::uint8_t kOsAbiHsa = 64;
constexpr std::uint32_t kMachMask = 0xFF;
constexpr std::uint32_t kMachGfx1010 = 0x33;
constexpr std::uint32_t kMachGfx10_1Generic = 0x52;
constexpr std::uint32_t kXnackMask = 0x300;
constexpr std::uint32_t kXnackOn = 0x300;
constexpr std::uint64_t kMaxImageBytes = 1ULL << 32;

// Copies structures out of the bytes, or says that they do not reach that far.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    bool holds(std::uint64_t offset, std::uint64_t size) const {
        return offset <= bytes_.size() && size <= bytes_.size() - offset;
    }
    template <typename T>
    bool get(std::uint64_t offset, T& out) const {
        if (!holds(offset, sizeof(T))) {
            return false;
        }
        std::memcpy(&out, bytes_.data() + offset, sizeof(T));
        return true;
    }
    // A string that must end inside [base, base+size).
    std::optional<std::string_view> text(std::uint64_t base, std::uint64_t size, std::uint64_t at) const {
        if (!holds(base, size) || at >= size) {
            return std::nullopt;
        }
        const char* begin = reinterpret_cast<const char*>(bytes_.data() + base + at);
        const void* end = std::memchr(begin, 0, size - at);
        if (end == nullptr) {
            return std::nullopt;
        }
        return std::string_view(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin));
    }

private:
    std::span<const std::byte> bytes_;
};

struct Dynamic {
    std::uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0, rela = 0, rela_size = 0;
};

class Parser {
public:
    Parser(std::span<const std::byte> bytes, CodeObjectError& error) : reader_(bytes), error_(error) {}

    std::optional<CodeObject> parse() {
        if (!header() || !segments() || !dynamic_part()) {
            return std::nullopt;
        }
        return std::move(object_);
    }

private:
    bool fail(CodeObjectProblem problem, std::string text) {
        error_ = {problem, std::move(text)};
        return false;
    }
    bool malformed(const char* what) { return fail(CodeObjectProblem::Malformed, what); }

    bool header() {
        if (!reader_.get(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 ||
            header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB) {
            return malformed("not a 64-bit little-endian ELF file");
        }
        if (header_.e_machine != kMachineAmdgpu || header_.e_ident[EI_OSABI] != kOsAbiHsa || header_.e_type != ET_DYN) {
            return malformed("not an amdhsa code object");
        }
        const unsigned abi = header_.e_ident[EI_ABIVERSION];
        if (abi < 2 || abi > 4) {
            return fail(CodeObjectProblem::Unsupported,
                        "code object version " + std::to_string(abi + 2) + "; 4 to 6 are known");
        }
        object_.version = abi + 2;
        object_.machine = header_.e_flags & kMachMask;
        if (object_.machine != kMachGfx1010 && object_.machine != kMachGfx10_1Generic) {
            char text[96];
            std::snprintf(text, sizeof(text), "compiled for another card (machine 0x%x, gfx1010 is 0x%x)",
                          object_.machine, kMachGfx1010);
            return fail(CodeObjectProblem::OtherTarget, text);
        }
        if ((header_.e_flags & kXnackMask) == kXnackOn) {
            return fail(CodeObjectProblem::OtherTarget, "compiled for xnack+; this card runs xnack-");
        }
        return true;
    }

    bool segments() {
        if (header_.e_phentsize != sizeof(Elf64_Phdr)) {
            return malformed("program headers of an unknown size");
        }
        std::uint64_t low = ~0ULL;
        std::uint64_t high = 0;
        for (unsigned i = 0; i < header_.e_phnum; ++i) {
            Elf64_Phdr entry{};
            if (!reader_.get(header_.e_phoff + i * sizeof(entry), entry)) {
                return malformed("program headers reach past the end");
            }
            if (entry.p_type == PT_DYNAMIC) {
                dynamic_offset_ = entry.p_offset;
                dynamic_size_ = entry.p_filesz;
            }
            if (entry.p_type != PT_LOAD || entry.p_memsz == 0) {
                continue;
            }
            if (entry.p_filesz > entry.p_memsz || !reader_.holds(entry.p_offset, entry.p_filesz) ||
                entry.p_vaddr > kMaxImageBytes || entry.p_memsz > kMaxImageBytes) {
                return malformed("a segment reaches past the end");
            }
            object_.segments.push_back({entry.p_vaddr, entry.p_memsz, entry.p_offset, entry.p_filesz, entry.p_align});
            if ((entry.p_flags & PF_W) != 0) {
                writable_.emplace_back(entry.p_vaddr, entry.p_vaddr + entry.p_memsz);
            }
            low = std::min<std::uint64_t>(low, entry.p_vaddr);
            high = std::max<std::uint64_t>(high, entry.p_vaddr + entry.p_memsz);
            object_.align = std::max<std::uint64_t>(object_.align, entry.p_align);
        }
        if (object_.segments.empty() || (object_.align & (object_.align - 1)) != 0 || object_.align > kMaxImageBytes) {
            return malformed("no loadable segment, or a wrong alignment");
        }
        // The image starts on a multiple of its alignment, so that addresses keep theirs.
        object_.image_base = low / object_.align * object_.align;
        object_.image_bytes = high - object_.image_base;
        return true;
    }

    // File offset of an address in the image.
    std::optional<std::uint64_t> offset_of(std::uint64_t address, std::uint64_t size) const {
        for (const ElfSegment& segment : object_.segments) {
            if (address >= segment.address && address - segment.address <= segment.file &&
                size <= segment.file - (address - segment.address)) {
                return segment.file_offset + (address - segment.address);
            }
        }
        return std::nullopt;
    }

    bool dynamic_part() {
        Dynamic found;
        for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic_size_; at += sizeof(Elf64_Dyn)) {
            Elf64_Dyn entry{};
            if (!reader_.get(dynamic_offset_ + at, entry)) {
                return malformed("the dynamic section reaches past the end");
            }
            switch (entry.d_tag) {
                case DT_SYMTAB: found.symbols = entry.d_un.d_ptr; break;
                case DT_STRTAB: found.strings = entry.d_un.d_ptr; break;
                case DT_STRSZ: found.strings_size = entry.d_un.d_val; break;
                case DT_HASH: found.hash = entry.d_un.d_ptr; break;
                case DT_RELA: found.rela = entry.d_un.d_ptr; break;
                case DT_RELASZ: found.rela_size = entry.d_un.d_val; break;
                case DT_REL:
                case DT_JMPREL:
                    return fail(CodeObjectProblem::Unsupported, "relocations of a kind that amdhsa does not use");
                default: break;
            }
        }
        if (found.symbols == 0) {
            return true;  // an object without symbols is odd, but loadable
        }
        return dynamic_symbols(found) && relocations(found);
    }

    // DT_HASH tells how many symbols there are.
    bool dynamic_symbols(const Dynamic& dynamic) {
        std::uint32_t counts[2] = {0, 0};
        const auto hash = offset_of(dynamic.hash, sizeof(counts));
        const auto strings = offset_of(dynamic.strings, dynamic.strings_size);
        if (!hash || !strings || !reader_.get(*hash, counts)) {
            return malformed("no usable symbol hash table");
        }
        const auto table = offset_of(dynamic.symbols, std::uint64_t{counts[1]} * sizeof(Elf64_Sym));
        if (!table) {
            return malformed("the symbol table reaches past the end");
        }
        return symbols(*table, counts[1], *strings, dynamic.strings_size, object_.symbols);
    }

    bool symbols(std::uint64_t table, std::uint64_t count, std::uint64_t strings, std::uint64_t strings_size,
                 std::vector<ElfSymbol>& out) {
        for (std::uint64_t i = 0; i < count; ++i) {
            Elf64_Sym entry{};
            if (!reader_.get(table + i * sizeof(entry), entry)) {
                return malformed("the symbol table reaches past the end");
            }
            const auto name = reader_.text(strings, strings_size, entry.st_name);
            if (!name) {
                return malformed("a symbol name reaches past the end");
            }
            ElfSymbol symbol;
            symbol.name = *name;
            symbol.value = entry.st_value;
            symbol.size = entry.st_size;
            symbol.defined = entry.st_shndx != SHN_UNDEF;
            symbol.global = ELF64_ST_BIND(entry.st_info) != STB_LOCAL;
            const unsigned type = ELF64_ST_TYPE(entry.st_info);
            symbol.kind = type == STT_FUNC     ? ElfSymbol::Kind::Function
                          : type == STT_OBJECT ? ElfSymbol::Kind::Object
                                               : ElfSymbol::Kind::Other;
            symbol.writable = std::any_of(writable_.begin(), writable_.end(), [&](const auto& range) {
                return entry.st_value >= range.first && entry.st_value < range.second;
            });
            if (symbol.defined && symbol.kind != ElfSymbol::Kind::Other && !inside(symbol.value, symbol.size)) {
                return malformed("a symbol lies outside the image");
            }
            out.push_back(symbol);
        }
        return true;
    }

    bool inside(std::uint64_t address, std::uint64_t size) const {
        return address >= object_.image_base && address - object_.image_base <= object_.image_bytes &&
               size <= object_.image_bytes - (address - object_.image_base);
    }

    bool relocations(const Dynamic& dynamic) {
        if (dynamic.rela_size == 0) {
            return true;
        }
        const auto table = offset_of(dynamic.rela, dynamic.rela_size);
        if (!table) {
            return malformed("the relocations reach past the end");
        }
        for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= dynamic.rela_size; at += sizeof(Elf64_Rela)) {
            Elf64_Rela entry{};
            if (!reader_.get(*table + at, entry)) {
                return malformed("the relocations reach past the end");
            }
            const ElfRelocation relocation{entry.r_offset, static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info)),
                                           static_cast<std::uint32_t>(ELF64_R_SYM(entry.r_info)), entry.r_addend};
            const bool wide = relocation.type == R_AMDGPU_ABS64 || relocation.type == R_AMDGPU_REL64 ||
                              relocation.type == R_AMDGPU_RELATIVE64;
            if (!inside(relocation.where, wide ? 8 : 4) ||
                (relocation.symbol != 0 && relocation.symbol >= object_.symbols.size())) {
                return malformed("a relocation lies outside the image");
            }
            object_.relocations.push_back(relocation);
        }
        return true;
    }

    Reader reader_;
    CodeObjectError& error_;
    CodeObject object_;
    Elf64_Ehdr header_{};
    std::uint64_t dynamic_offset_ = 0;
    std::uint64_t dynamic_size_ = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> writable_;
};

}  // namespace

std::optional<CodeObject> read_code_object(std::span<const std::byte> bytes, CodeObjectError& error) {
    return Parser(bytes, error).parse();
}

}  // namespace vgpu::hsa
