// Code objects: loading, symbols, relocations, and files that must be refused.
#include <elf.h>

#include <cstring>
#include <random>
#include <string>

#include "api.h"
#include "vgpu/hsa/code_object.h"
#include "vgpu/hsa/runtime.h"

namespace {

using namespace vgpu::hsa;

using Bytes = std::vector<std::byte>;

// Places in the image that the tests look at.
constexpr std::uint64_t kDescriptorAt = 0x400;
constexpr std::uint64_t kVariableAt = 0x1000;
constexpr std::uint64_t kPointerAt = 0x1010;  // relocated: ABS64 of `outside` + 4
constexpr std::uint64_t kSelfAt = 0x1018;     // relocated: RELATIVE64 of kVariableAt
constexpr std::uint64_t kDeltaAt = 0x1020;    // relocated: REL32 of `counter`
constexpr std::uint64_t kImageBytes = 0x2000;

// A small but whole code object: one kernel, one variable, one undefined symbol.
class Builder {
public:
    std::uint8_t abi = 3;         // code object version 5
    std::uint32_t flags = 0x133;  // gfx1010, xnack any
    bool outside = true;

    Bytes build() {
        bytes_.assign(kImageBytes - 0x800, std::byte{0});  // the last 0x800 bytes are zero memory
        Elf64_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_ident[EI_OSABI] = 64;
        header.e_ident[EI_ABIVERSION] = abi;
        header.e_type = ET_DYN;
        header.e_machine = 224;
        header.e_flags = flags;
        header.e_phoff = 0x40;
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_phnum = 3;
        put(0, header);
        const Elf64_Phdr text{PT_LOAD, PF_R | PF_X, 0, 0, 0, 0x1000, 0x1000, 0x1000};
        const Elf64_Phdr data{PT_LOAD, PF_R | PF_W, 0x1000, 0x1000, 0x1000, bytes_.size() - 0x1000, 0x1000, 0x1000};
        const Elf64_Phdr dynamic{PT_DYNAMIC, PF_R, 0x300, 0x300, 0x300, 7 * sizeof(Elf64_Dyn), 0, 8};
        put(0x40, text);
        put(0x40 + sizeof(text), data);
        put(0x40 + 2 * sizeof(text), dynamic);

        const char strings[] = "\0kernel.kd\0counter\0outside";
        std::memcpy(&bytes_[0x280], strings, sizeof(strings));
        symbol(0, 0, 0, 0, 0, SHN_UNDEF);
        symbol(1, 1, STT_OBJECT, kDescriptorAt, 64, 1);
        symbol(2, 11, STT_OBJECT, kVariableAt, 8, 2);
        symbol(3, 19, STT_OBJECT, 0, 0, SHN_UNDEF);
        const std::uint32_t hash[2] = {1, outside ? 4U : 3U};
        put(0x260, hash);
        const std::uint64_t relocations = outside ? 3 : 2;
        const Elf64_Rela all[3] = {{kSelfAt, ELF64_R_INFO(0, R_AMDGPU_RELATIVE64), kVariableAt},
                                   {kDeltaAt, ELF64_R_INFO(2, R_AMDGPU_REL32), 0},
                                   {kPointerAt, ELF64_R_INFO(3, R_AMDGPU_ABS64), 4}};
        put(0x500, all);
        const Elf64_Dyn entries[7] = {
            {DT_SYMTAB, {0x180}}, {DT_STRTAB, {0x280}}, {DT_STRSZ, {sizeof(strings)}},
            {DT_HASH, {0x260}},   {DT_RELA, {0x500}},   {DT_RELASZ, {relocations * sizeof(Elf64_Rela)}},
            {DT_NULL, {0}},
        };
        put(0x300, entries);

        KernelDescriptor descriptor{};
        descriptor.group_segment_fixed_size = 512;
        descriptor.private_segment_fixed_size = 16;
        descriptor.kernarg_size = 40;
        descriptor.kernel_code_entry_byte_offset = 0x200;
        descriptor.kernel_code_properties = 1 << 11;
        put(kDescriptorAt, descriptor);
        put(kVariableAt, std::uint64_t{0x1122334455667788});
        return bytes_;
    }

private:
    template <typename T>
    void put(std::uint64_t at, const T& value) {
        std::memcpy(&bytes_.at(at), &value, sizeof(value));
    }
    void symbol(unsigned index, std::uint32_t name, unsigned type, std::uint64_t value, std::uint64_t size,
                std::uint16_t section) {
        Elf64_Sym entry{};
        entry.st_name = name;
        entry.st_info = static_cast<unsigned char>(ELF64_ST_INFO(STB_GLOBAL, type));
        entry.st_value = value;
        entry.st_size = size;
        entry.st_shndx = section;
        put(0x180 + index * sizeof(entry), entry);
    }

    Bytes bytes_;
};

struct Loaded {
    Loaded(const Layer& layer, const Bytes& bytes, void* outside = nullptr) {
        CHECK(hsa_executable_create_alt(PROFILE_FULL, ROUNDING_DEFAULT, nullptr, &executable) == STATUS_SUCCESS);
        if (outside != nullptr) {
            CHECK(hsa_executable_agent_global_variable_define(executable, layer.gpu, "outside", outside) ==
                  STATUS_SUCCESS);
        }
        CodeObjectReader reader{};
        CHECK(hsa_code_object_reader_create_from_memory(bytes.data(), bytes.size(), &reader) == STATUS_SUCCESS);
        status = hsa_executable_load_agent_code_object(executable, layer.gpu, reader, nullptr, nullptr);
        CHECK(hsa_code_object_reader_destroy(reader) == STATUS_SUCCESS);
    }
    ~Loaded() { CHECK(hsa_executable_destroy(executable) == STATUS_SUCCESS); }
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;

    template <typename T>
    T info(ExecutableSymbol symbol, SymbolInfo attribute) const {
        T value{};
        CHECK(hsa_executable_symbol_get_info(symbol, attribute, &value) == STATUS_SUCCESS);
        return value;
    }
    ExecutableSymbol symbol(const char* name) const {
        ExecutableSymbol found{};
        CHECK(hsa_executable_get_symbol_by_name(executable, name, nullptr, &found) == STATUS_SUCCESS);
        return found;
    }

    Executable executable{};
    Status status = STATUS_ERROR;
};

template <typename T>
T read(std::uint64_t address) {
    T value{};
    std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof(value));
    return value;
}

TEST(kernels_and_variables_are_found) {
    const Layer layer;
    int outside = 0;
    const Loaded loaded(layer, Builder().build(), &outside);
    CHECK(loaded.status == STATUS_SUCCESS);
    CHECK(hsa_executable_freeze(loaded.executable, nullptr) == STATUS_SUCCESS);
    const ExecutableSymbol kernel = loaded.symbol("kernel.kd");
    CHECK(loaded.info<std::uint32_t>(kernel, SYMBOL_INFO_TYPE) == SYMBOL_KIND_KERNEL);
    CHECK(loaded.info<std::uint32_t>(kernel, SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_SIZE) == 40);
    CHECK(loaded.info<std::uint32_t>(kernel, SYMBOL_INFO_KERNEL_GROUP_SEGMENT_SIZE) == 512);
    CHECK(loaded.info<std::uint32_t>(kernel, SYMBOL_INFO_KERNEL_PRIVATE_SEGMENT_SIZE) == 16);
    CHECK(loaded.info<bool>(kernel, SYMBOL_INFO_KERNEL_DYNAMIC_CALLSTACK));
    const auto object = loaded.info<std::uint64_t>(kernel, SYMBOL_INFO_KERNEL_OBJECT);
    CHECK(read<std::uint32_t>(object) == 512 && object % 64 == 0);
    CHECK(Runtime::current()->executables().kernel_name(object) == "kernel");
    const ExecutableSymbol variable = loaded.symbol("counter");
    const auto address = loaded.info<std::uint64_t>(variable, SYMBOL_INFO_VARIABLE_ADDRESS);
    CHECK(loaded.info<std::uint32_t>(variable, SYMBOL_INFO_VARIABLE_SIZE) == 8);
    CHECK(!loaded.info<bool>(variable, SYMBOL_INFO_VARIABLE_IS_CONST));
    CHECK(read<std::uint64_t>(address) == 0x1122334455667788);
    const auto* device = Runtime::current()->memory().devices().at(0);
    const auto range = device->space.find(object);
    CHECK(range && (range->flags & vgpu::core::AddressSpace::Code) != 0);
    ExecutableSymbol none{};
    CHECK(hsa_executable_get_symbol_by_name(loaded.executable, "absent", nullptr, &none) ==
          STATUS_ERROR_INVALID_SYMBOL_NAME);
}

TEST(relocations_point_where_they_should) {
    const Layer layer;
    int outside = 0;
    const Loaded loaded(layer, Builder().build(), &outside);
    const auto variable = loaded.info<std::uint64_t>(loaded.symbol("counter"), SYMBOL_INFO_VARIABLE_ADDRESS);
    const std::uint64_t base = variable - kVariableAt;
    CHECK(read<std::uint64_t>(base + kSelfAt) == variable);
    CHECK(read<std::uint32_t>(base + kDeltaAt) == static_cast<std::uint32_t>(kVariableAt - kDeltaAt));
    CHECK(read<std::uint64_t>(base + kPointerAt) == reinterpret_cast<std::uint64_t>(&outside) + 4);
    CHECK(read<std::uint64_t>(base + kImageBytes - 8) == 0);  // beyond the file: zero
}

TEST(undefined_symbols_are_refused) {
    const Layer layer;
    const Loaded loaded(layer, Builder().build());
    CHECK(loaded.status == STATUS_ERROR_VARIABLE_UNDEFINED);
}

TEST(versions_and_targets) {
    const Layer layer;
    struct Case {
        std::uint8_t abi;
        std::uint32_t flags;
        Status status;
    };
    const Case cases[] = {
        {2, 0x233, STATUS_SUCCESS},                    // version 4, xnack off
        {3, 0x133, STATUS_SUCCESS},                    // version 5
        {4, 0x133, STATUS_SUCCESS},                    // version 6
        {4, 0x01000052, STATUS_SUCCESS},               // gfx10-1-generic, its version 1
        {1, 0x133, STATUS_ERROR_INVALID_CODE_OBJECT},  // version 3
        {5, 0x133, STATUS_ERROR_INVALID_CODE_OBJECT},
        {3, 0x336, STATUS_ERROR_INCOMPATIBLE_ARGUMENTS},  // gfx1030
        {3, 0x333, STATUS_ERROR_INCOMPATIBLE_ARGUMENTS},  // xnack on
    };
    for (const Case& one : cases) {
        Builder builder;
        builder.abi = one.abi;
        builder.flags = one.flags;
        builder.outside = false;
        const Loaded loaded(layer, builder.build());
        CHECK(loaded.status == one.status);
    }
}

TEST(destroying_gives_the_memory_back) {
    const Layer layer;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    CHECK(hsa_agent_get_info(layer.gpu, AMD_AGENT_INFO_MEMORY_AVAIL, &before) == STATUS_SUCCESS);
    Builder builder;
    builder.outside = false;
    const Bytes bytes = builder.build();
    for (int i = 0; i < 50; ++i) {
        const Loaded loaded(layer, bytes);
        CHECK(loaded.status == STATUS_SUCCESS);
    }
    CHECK(hsa_agent_get_info(layer.gpu, AMD_AGENT_INFO_MEMORY_AVAIL, &after) == STATUS_SUCCESS);
    CHECK(before == after);
}

// Whatever the bytes are, reading ends with a code object or an explanation; the
// sanitizer builds see to it that nothing outside the bytes is read.
TEST(damaged_files_do_no_harm) {
    const Layer layer;
    std::mt19937 random(7);
    Builder builder;
    builder.outside = false;
    const Bytes whole = builder.build();
    int refused = 0;
    for (int round = 0; round < 4000; ++round) {
        Bytes bytes = whole;
        const unsigned changes = 1 + random() % 6;
        for (unsigned i = 0; i < changes; ++i) {
            bytes[random() % 0x600] = static_cast<std::byte>(random());
        }
        if (random() % 4 == 0) {
            bytes.resize(random() % bytes.size());
        }
        CodeObjectError error{CodeObjectProblem::Malformed, {}};
        const auto object = read_code_object(bytes, error);
        CHECK(object || !error.text.empty());
        refused += object ? 0 : 1;
        if (object && object->image_bytes < 64 * 1024 * 1024) {
            const Loaded loaded(layer, bytes);
        }
    }
    CHECK(refused > 500);
}

}  // namespace

int main(int count, char** names) { return run_tests(count, names); }
