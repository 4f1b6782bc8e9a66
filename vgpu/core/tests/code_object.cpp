#include "vgpu/core/tests/code_object.h"

#include <elf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace vgpu::tests {
namespace {

constexpr std::uint32_t kRelAbs64 = 3, kRelRelative64 = 13;

template <class T>
const T* at(const std::vector<char>& image, std::uint64_t offset) {
    return offset + sizeof(T) <= image.size() ? reinterpret_cast<const T*>(image.data() + offset) : nullptr;
}

template <class F>
void each_section(const std::vector<char>& image, F f) {
    const auto* header = at<Elf64_Ehdr>(image, 0);
    for (unsigned i = 0; i < header->e_shnum; ++i)
        if (const auto* s = at<Elf64_Shdr>(image, header->e_shoff + i * sizeof(Elf64_Shdr))) f(*s);
}

}  // namespace

CodeObject::CodeObject(const std::string& file, core::AddressSpace& space) {
    std::ifstream in(file, std::ios::binary);
    image_.assign(std::istreambuf_iterator<char>(in), {});
    const auto* header = at<Elf64_Ehdr>(image_, 0);
    if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        problem = file + " is no ELF file";
        return;
    }
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const auto* p = at<Elf64_Phdr>(image_, header->e_phoff + i * sizeof(Elf64_Phdr));
        if (p != nullptr && p->p_type == PT_LOAD) size_ = std::max<std::size_t>(size_, p->p_vaddr + p->p_memsz);
    }
    size_ = (size_ + 0x1fff) & ~std::size_t{0xfff};
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const auto* p = at<Elf64_Phdr>(image_, header->e_phoff + i * sizeof(Elf64_Phdr));
        if (p != nullptr && p->p_type == PT_LOAD)
            std::memcpy(base_ + p->p_vaddr, image_.data() + p->p_offset, p->p_filesz);
    }
    const auto load = reinterpret_cast<std::uint64_t>(base_);
    each_section(image_, [&](const Elf64_Shdr& s) {
        if (s.sh_type != SHT_RELA) return;
        for (std::uint64_t k = 0; k < s.sh_size; k += sizeof(Elf64_Rela)) {
            const auto* r = at<Elf64_Rela>(image_, s.sh_offset + k);
            std::uint64_t value = load + static_cast<std::uint64_t>(r->r_addend);
            if (ELF64_R_TYPE(r->r_info) == kRelAbs64) {
                std::uint64_t table = 0;
                each_section(image_, [&](const Elf64_Shdr& d) {
                    if (d.sh_type == SHT_DYNSYM) table = d.sh_offset;
                });
                value += at<Elf64_Sym>(image_, table + ELF64_R_SYM(r->r_info) * sizeof(Elf64_Sym))->st_value;
            } else if (ELF64_R_TYPE(r->r_info) != kRelRelative64) {
                problem = "relocation type " + std::to_string(ELF64_R_TYPE(r->r_info)) + " in " + file;
                continue;
            }
            std::memcpy(base_ + r->r_offset, &value, 8);
        }
    });
    space.add(load, size_, core::AddressSpace::Code | core::AddressSpace::Device, "code object");
}

CodeObject::~CodeObject() {
    if (base_ != nullptr) munmap(base_, size_);
}

std::uint64_t CodeObject::symbol(const std::string& name) const {
    std::uint64_t found = 0;
    each_section(image_, [&](const Elf64_Shdr& s) {
        if (s.sh_type != SHT_DYNSYM && s.sh_type != SHT_SYMTAB) return;
        const auto* strings =
            at<Elf64_Shdr>(image_, at<Elf64_Ehdr>(image_, 0)->e_shoff + s.sh_link * sizeof(Elf64_Shdr));
        for (std::uint64_t k = 0; k < s.sh_size; k += sizeof(Elf64_Sym)) {
            const auto* sym = at<Elf64_Sym>(image_, s.sh_offset + k);
            if (sym->st_shndx != SHN_UNDEF && name == image_.data() + strings->sh_offset + sym->st_name)
                found = reinterpret_cast<std::uint64_t>(base_) + sym->st_value;
        }
    });
    return found;
}

}  // namespace vgpu::tests
