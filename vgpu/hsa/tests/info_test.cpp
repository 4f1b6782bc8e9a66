// What the layer says of itself, its agents and pools.
#include <cstring>
#include <set>
#include <string>

#include "api.h"
#include "vgpu/hsa/info.h"
#include "vgpu/hsa/loader_table.h"

namespace {

template <typename T>
T agent_value(Agent agent, std::uint32_t id) {
    T value{};
    CHECK(hsa_agent_get_info(agent, id, &value) == STATUS_SUCCESS);
    return value;
}

std::string agent_text(Agent agent, std::uint32_t id) {
    char text[64] = "";
    CHECK(hsa_agent_get_info(agent, id, text) == STATUS_SUCCESS);
    return text;
}

TEST(the_card_reads_like_the_card) {
    const Layer layer;
    CHECK(agent_text(layer.gpu, AGENT_INFO_NAME) == "gfx1010");
    CHECK(agent_text(layer.gpu, AMD_AGENT_INFO_PRODUCT_NAME) == "AMD Radeon RX 5600 XT (virtual)");
    CHECK(agent_value<std::uint32_t>(layer.gpu, AMD_AGENT_INFO_COMPUTE_UNIT_COUNT) == 36);
    CHECK(agent_value<std::uint32_t>(layer.gpu, AGENT_INFO_WAVEFRONT_SIZE) == 32);
    CHECK(agent_value<std::uint32_t>(layer.gpu, AMD_AGENT_INFO_CHIP_ID) == 0x731F);
    CHECK(agent_value<std::uint32_t>(layer.gpu, AGENT_INFO_DEVICE) == DEVICE_TYPE_GPU);
    CHECK(agent_value<std::uint32_t>(layer.cpu, AGENT_INFO_DEVICE) == DEVICE_TYPE_CPU);
}

TEST(profiles_differ) {
    setenv("VGPU_PROFILE", "rx5700xt", 1);
    {
        const Layer layer;
        CHECK(agent_text(layer.gpu, AMD_AGENT_INFO_PRODUCT_NAME) == "AMD Radeon RX 5700 XT (virtual)");
        CHECK(agent_value<std::uint32_t>(layer.gpu, AMD_AGENT_INFO_COMPUTE_UNIT_COUNT) == 40);
    }
    setenv("VGPU_PROFILE", "rx580", 1);
    CHECK(hsa_init() == STATUS_ERROR);
    CHECK(hsa_shut_down() == STATUS_ERROR_NOT_INITIALIZED);
    unsetenv("VGPU_PROFILE");
    setenv("VGPU_DEVICES", "many", 1);
    CHECK(hsa_init() == STATUS_ERROR);
    setenv("VGPU_DEVICES", "1", 1);
}

TEST(every_listed_attribute_answers_for_every_agent) {
    const Layer layer("3");
    CHECK(layer.agents.size() == 4);
    std::set<std::uint32_t> ids;
    std::set<std::string> uuids;
    for (const auto& item : vgpu::hsa::agent_items()) {
        CHECK(ids.insert(item.id).second);
        for (const Agent agent : layer.agents) {
            alignas(16) char value[256];
            CHECK(hsa_agent_get_info(agent, item.id, value) == STATUS_SUCCESS);
        }
    }
    CHECK(ids.size() > 60);
    for (const Agent agent : layer.agents) {
        CHECK(uuids.insert(agent_text(agent, AMD_AGENT_INFO_UUID)).second);
    }
    int value = 0;
    CHECK(hsa_agent_get_info(layer.gpu, 0xBEEF, &value) == STATUS_ERROR_INVALID_ARGUMENT);
    CHECK(hsa_agent_get_info({3}, AGENT_INFO_NODE, &value) == STATUS_ERROR_INVALID_AGENT);
}

Status gather_isa(Isa isa, void* data) {
    static_cast<std::vector<Isa>*>(data)->push_back(isa);
    return STATUS_SUCCESS;
}

TEST(the_isa_has_its_name) {
    const Layer layer;
    std::vector<Isa> isas;
    CHECK(hsa_agent_iterate_isas(layer.gpu, gather_isa, &isas) == STATUS_SUCCESS && isas.size() == 1);
    std::uint32_t length = 0;
    CHECK(hsa_isa_get_info_alt(isas.at(0), ISA_INFO_NAME_LENGTH, &length) == STATUS_SUCCESS);
    std::string name(length, '?');
    CHECK(hsa_isa_get_info_alt(isas.at(0), ISA_INFO_NAME, name.data()) == STATUS_SUCCESS);
    CHECK(std::strcmp(name.c_str(), "amdgcn-amd-amdhsa--gfx1010:xnack-") == 0 && name.back() == '\0');
}

TEST(pools_have_their_kinds_and_links) {
    const Layer layer("2");
    std::set<std::uint32_t> host_flags;
    for (const MemoryPool pool : Layer::pools(layer.cpu)) {
        std::uint32_t flags = 0;
        CHECK(hsa_amd_memory_pool_get_info(pool, POOL_INFO_GLOBAL_FLAGS, &flags) == STATUS_SUCCESS);
        host_flags.insert(flags);
    }
    CHECK(host_flags.contains(POOL_FLAG_KERNARG_INIT | POOL_FLAG_FINE_GRAINED));
    CHECK(host_flags.contains(POOL_FLAG_COARSE_GRAINED));
    PoolAccess access{};
    CHECK(hsa_amd_agent_memory_pool_get_info(layer.cpu, layer.device_pool, AGENT_POOL_INFO_ACCESS, &access) ==
          STATUS_SUCCESS);
    CHECK(access == POOL_ACCESS_NEVER_ALLOWED);
    CHECK(hsa_amd_agent_memory_pool_get_info(layer.agents.at(2), layer.device_pool, AGENT_POOL_INFO_ACCESS, &access) ==
          STATUS_SUCCESS);
    CHECK(access == POOL_ACCESS_DISALLOWED_BY_DEFAULT);
    LinkInfo link{};
    CHECK(hsa_amd_agent_memory_pool_get_info(layer.gpu, layer.host_pool, AGENT_POOL_INFO_LINK_INFO, &link) ==
          STATUS_SUCCESS);
    CHECK(link.atomic_support_32bit && link.atomic_support_64bit && link.link_type == LINK_TYPE_PCIE);
}

TEST(the_loader_table_comes_in_the_length_asked_for) {
    const Layer layer;
    vgpu::hsa::LoaderTable table{};
    CHECK(hsa_system_get_major_extension_table(EXTENSION_AMD_LOADER, 1, 24, &table) == STATUS_SUCCESS);
    CHECK(table.query_host_address != nullptr && table.query_executable != nullptr);
    CHECK(table.iterate_loaded_code_objects == nullptr);
    CHECK(hsa_system_get_major_extension_table(EXTENSION_IMAGES, 1, 24, &table) == STATUS_ERROR);
}

TEST(nothing_works_before_the_start) {
    void* memory = nullptr;
    Signal signal{};
    CHECK(hsa_signal_create(0, 0, nullptr, &signal) == STATUS_ERROR_NOT_INITIALIZED);
    CHECK(hsa_amd_memory_pool_allocate({1}, 1, 0, &memory) == STATUS_ERROR_NOT_INITIALIZED);
    CHECK(hsa_shut_down() == STATUS_ERROR_NOT_INITIALIZED);
}

TEST(starts_are_counted) {
    const Layer first;
    {
        const Layer second;
        CHECK(second.gpu.handle == first.gpu.handle);
    }
    CHECK(agent_value<std::uint32_t>(first.gpu, AGENT_INFO_NODE) == 1);
}

TEST(statuses_have_texts) {
    const char* text = nullptr;
    CHECK(hsa_status_string(STATUS_ERROR_MEMORY_FAULT, &text) == STATUS_SUCCESS);
    CHECK(std::strncmp(text, "HSA_STATUS_ERROR_MEMORY_FAULT: ", 31) == 0);
    CHECK(hsa_status_string(static_cast<Status>(7), &text) == STATUS_ERROR_INVALID_ARGUMENT);
}

TEST(images_are_declined) {
    const Layer layer;
    Image image{};
    CHECK(hsa_ext_image_create(layer.gpu, nullptr, nullptr, 0, &image) ==
          static_cast<Status>(EXT_STATUS_ERROR_IMAGE_FORMAT_UNSUPPORTED));
}

}  // namespace

int main(int count, char** names) { return run_tests(count, names); }
