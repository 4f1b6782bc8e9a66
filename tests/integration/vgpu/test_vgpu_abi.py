"""Our declarations and exports against a real ROCm: its headers, and what its HIP imports."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from rocm_patch.sysroot import Bind, Sysroot

pytestmark = pytest.mark.sysroot

VGPU = Path(__file__).parents[3] / "vgpu"
#: our structure -> the header's
STRUCTURES = {
    "AmdSignal": "amd_signal_t",
    "AmdQueue": "amd_queue_v2_t",
    "Queue": "hsa_queue_t",
    "KernelDispatchPacket": "hsa_kernel_dispatch_packet_t",
    "BarrierPacket": "hsa_barrier_and_packet_t",
    "BarrierValuePacket": "hsa_amd_barrier_value_packet_t",
    "ProfilingTime": "hsa_amd_profiling_dispatch_time_t",
    "LinkInfo": "hsa_amd_memory_pool_link_info_t",
    "PointerInfo": "hsa_amd_pointer_info_t",
    "PitchedPtr": "hsa_pitched_ptr_t",
    "IpcMemory": "hsa_amd_ipc_memory_t",
    "MemoryAccessDesc": "hsa_amd_memory_access_desc_t",
    "SvmAttributePair": "hsa_amd_svm_attribute_pair_t",
    "HdpFlush": "hsa_amd_hdp_flush_t",
    "Event": "hsa_amd_event_t",
    "Dim3": "hsa_dim3_t",
}
#: (structure, field): the same name on both sides
FIELDS = [
    ("AmdSignal", "value"),
    ("AmdSignal", "event_mailbox_ptr"),
    ("AmdSignal", "event_id"),
    ("AmdSignal", "start_ts"),
    ("AmdSignal", "end_ts"),
    ("AmdSignal", "queue_ptr"),
    ("AmdQueue", "caps"),
    ("AmdQueue", "write_dispatch_id"),
    ("AmdQueue", "group_segment_aperture_base_hi"),
    ("AmdQueue", "private_segment_aperture_base_hi"),
    ("AmdQueue", "max_cu_id"),
    ("AmdQueue", "read_dispatch_id"),
    ("AmdQueue", "read_dispatch_id_field_base_byte_offset"),
    ("AmdQueue", "scratch_resource_descriptor"),
    ("AmdQueue", "queue_properties"),
    ("AmdQueue", "queue_inactive_signal"),
    ("AmdQueue", "scratch_last_used_index"),
    ("Queue", "base_address"),
    ("Queue", "doorbell_signal"),
    ("Queue", "size"),
    ("Queue", "id"),
    ("KernelDispatchPacket", "setup"),
    ("KernelDispatchPacket", "private_segment_size"),
    ("KernelDispatchPacket", "group_segment_size"),
    ("KernelDispatchPacket", "kernel_object"),
    ("KernelDispatchPacket", "kernarg_address"),
    ("KernelDispatchPacket", "completion_signal"),
    ("BarrierPacket", "dep_signal"),
    ("BarrierPacket", "completion_signal"),
    ("BarrierValuePacket", "signal"),
    ("BarrierValuePacket", "value"),
    ("BarrierValuePacket", "mask"),
    ("BarrierValuePacket", "cond"),
    ("BarrierValuePacket", "completion_signal"),
    ("LinkInfo", "atomic_support_32bit"),
    ("LinkInfo", "link_type"),
    ("PointerInfo", "type"),
    ("PointerInfo", "global_flags"),
    ("MemoryAccessDesc", "agent_handle"),
    ("Event", "memory_fault"),
]
#: our enumerator's prefix -> the header's, tried in this order
PREFIXES = (
    ("AMD_PACKET_", "HSA_AMD_PACKET_"),
    ("AMD_", "HSA_AMD_"),
    ("EXT_", "HSA_EXT_"),
    ("POOL_FLAG_", "HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_"),
    ("POOL_LOCATION_", "HSA_AMD_MEMORY_POOL_LOCATION_"),
    ("POOL_INFO_", "HSA_AMD_MEMORY_POOL_INFO_"),
    ("POOL_ALLOC_STANDARD", "HSA_AMD_MEMORY_POOL_STANDARD_FLAG"),
    ("POOL_ALLOC_PCIE", "HSA_AMD_MEMORY_POOL_PCIE_FLAG"),
    ("POOL_ALLOC_CONTIGUOUS", "HSA_AMD_MEMORY_POOL_CONTIGUOUS_FLAG"),
    ("POOL_ALLOC_EXECUTABLE", "HSA_AMD_MEMORY_POOL_EXECUTABLE_FLAG"),
    ("POOL_ACCESS_", "HSA_AMD_MEMORY_POOL_ACCESS_"),
    ("AGENT_POOL_INFO_", "HSA_AMD_AGENT_MEMORY_POOL_INFO_"),
    ("LINK_TYPE_", "HSA_AMD_LINK_INFO_TYPE_"),
    ("POINTER_TYPE_", "HSA_EXT_POINTER_TYPE_"),
    ("GPU_", "HSA_AMD_GPU_"),
    ("MEMORY_FAULT_", "HSA_AMD_MEMORY_FAULT_"),
    ("SYMBOL_INFO_", "HSA_EXECUTABLE_SYMBOL_INFO_"),
    ("LOADED_CODE_OBJECT_INFO_STORAGE_", "HSA_VEN_AMD_LOADER_LOADED_CODE_OBJECT_INFO_CODE_OBJECT_STORAGE_"),
    ("LOADED_CODE_OBJECT_INFO_", "HSA_VEN_AMD_LOADER_LOADED_CODE_OBJECT_INFO_"),
    ("QUEUE_PRIORITY_", "HSA_AMD_QUEUE_PRIORITY_"),
    ("QUEUE_PROPERTIES_", "AMD_QUEUE_PROPERTIES_"),
    ("SEGMENT_", "HSA_AMD_SEGMENT_"),
    ("SIGNAL_KIND_", "AMD_SIGNAL_KIND_"),
    ("ROUNDING_", "HSA_DEFAULT_FLOAT_ROUNDING_MODE_"),
    ("HOST_TO_HOST", "hsaHostToHost"),
    ("HOST_TO_DEVICE", "hsaHostToDevice"),
    ("DEVICE_TO_HOST", "hsaDeviceToHost"),
    ("DEVICE_TO_DEVICE", "hsaDeviceToDevice"),
    ("", "HSA_"),
)
#: Attributes that came with ROCm 7: headers of 6.4 do not have them.
NEWER = {"AMD_AGENT_INFO_CLOCK_COUNTERS"}


def enumerators() -> list[str]:
    text = (VGPU / "hsa/abi.h").read_text(encoding="utf-8")
    bodies = re.findall(r"^enum \w+ : [\w:]+ \{(.*?)\};", text, re.MULTILINE | re.DOTALL)
    names = [name for body in bodies for name in re.findall(r"\b([A-Z][A-Z0-9_]+)\b(?:\s*=|,|\s*$)", body)]
    return [name for name in names if name not in NEWER]


def theirs(name: str) -> str:
    return next(real + name[len(ours) :] for ours, real in PREFIXES if name.startswith(ours))


def test_every_constant_and_offset_is_that_of_the_headers(root: Sysroot, tmp_path: Path) -> None:
    names = enumerators()
    assert len(names) > 200
    lines = [
        '#include "vgpu/hsa/abi.h"',
        *(f"#include <hsa/{header}>" for header in ("hsa.h", "hsa_ext_amd.h", "hsa_ext_image.h")),
        "#include <hsa/hsa_ven_amd_loader.h>",
        "#include <hsa/amd_hsa_signal.h>",
        "#include <hsa/amd_hsa_queue.h>",
        "namespace ours = vgpu::hsa::abi;",
    ]
    lines += [
        f"static_assert(static_cast<long long>(ours::{name}) == static_cast<long long>({theirs(name)}));"
        for name in names
    ]
    lines += [f"static_assert(sizeof(ours::{a}) == sizeof({b}));" for a, b in STRUCTURES.items()]
    lines += [
        f"static_assert(offsetof(ours::{name}, {field}) == offsetof({STRUCTURES[name]}, {field}));"
        for name, field in FIELDS
    ]
    (tmp_path / "compare.cpp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    clang = max((root.path / "usr/lib").glob("llvm-*/bin/clang++"))
    root.run(
        [
            f"/{clang.relative_to(root.path)}",
            *("-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof", "-I/ours", "/check/compare.cpp"),
        ],
        binds=[Bind(VGPU, "/ours/vgpu", "ro"), Bind(tmp_path, "/check", "ro")],
    )


def imports(path: Path) -> set[str]:
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        undefined = (one for one in table.iter_symbols() if one["st_shndx"] == "SHN_UNDEF")
        return {one.name for one in undefined if one.name.startswith("hsa_")}


def exports(path: Path) -> dict[str, str]:
    """Give each defined dynamic symbol with its version node."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        table = elf.get_section_by_name(".dynsym")
        versions = elf.get_section_by_name(".gnu.version")
        assert isinstance(table, SymbolTableSection)
        assert isinstance(versions, GNUVerSymSection)
        definitions = elf.get_section_by_name(".gnu.version_d")
        assert isinstance(definitions, GNUVerDefSection)
        nodes = {one["vd_ndx"]: next(iter(names)).name for one, names in definitions.iter_versions()}
        return {
            one.name: nodes.get(versions.get_symbol(index)["ndx"], "")
            for index, one in enumerate(table.iter_symbols())
            if one["st_shndx"] != "SHN_UNDEF" and one.name
        }


def test_all_that_hip_imports_is_there_in_the_right_version(root: Sysroot, library: Path) -> None:
    ours = exports(library)
    users = sorted((root.path / "usr/lib").rglob("libamdhip64.so.*.*"))
    assert users
    for user in users:
        wanted = imports(user)
        assert len(wanted) > 80
        assert wanted <= {name for name, node in ours.items() if node == "ROCR_1"}


def test_nothing_but_hsa_functions_can_be_seen(library: Path) -> None:
    assert {name for name in exports(library) if not name.startswith("hsa_")} == {"ROCR_1"}


def test_functions_of_hip_7_are_there(library: Path) -> None:
    new = {
        "hsa_amd_agent_set_async_scratch_limit",
        "hsa_amd_ais_file_read",
        "hsa_amd_ais_file_write",
        "hsa_amd_memory_get_preferred_copy_engine",
        "hsa_amd_portable_export_dmabuf",
        "hsa_amd_register_system_event_handler",
        "hsa_amd_vmem_address_reserve_align",
        "hsa_amd_vmem_retain_alloc_handle",
        "hsa_ext_sampler_create_v2",
    }
    assert new <= exports(library).keys()


def test_the_library_needs_no_cxx_runtime(library: Path) -> None:
    done = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=True)
    needed = set(re.findall(r"NEEDED.*\[(.+?)\]", done.stdout))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0"}
    assert "Library soname: [libhsa-runtime64.so.1]" in done.stdout
