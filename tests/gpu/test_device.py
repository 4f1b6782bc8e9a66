"""What torch says of the GPU: programs choose kernels, sizes and code by it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

MIB = 1 << 20


@dataclass(frozen=True)
class Card:
    """The figures of a card: workgroup processors (HIP calls them multiprocessors on RDNA), bytes of memory."""

    processors: int
    memory: int


#: 36 and 40 compute units in pairs; 6 and 8 GiB less the 16 MiB that the driver keeps on the real cards.
CARDS = {
    "AMD Radeon RX 5600 XT (virtual)": Card(18, 6128 * MIB),
    "AMD Radeon RX 5700 XT (virtual)": Card(20, 8176 * MIB),
}


@pytest.mark.quick
@pytest.mark.slice
@pytest.mark.virtual
@pytest.mark.unguarded("a description is read, nothing is computed")
def test_the_virtual_card_has_the_figures_of_the_real_one(gpu: torch.device) -> None:
    properties = torch.cuda.get_device_properties(gpu)
    assert properties.name == torch.cuda.get_device_name(gpu)
    card = CARDS[properties.name]
    assert properties.gcnArchName.partition(":")[0] == "gfx1010"
    assert (properties.major, properties.minor) == torch.cuda.get_device_capability(gpu) == (10, 1)
    assert properties.warp_size == 32
    assert properties.multi_processor_count == card.processors
    assert properties.total_memory == card.memory
    free, total = torch.cuda.mem_get_info(gpu)
    assert free <= total == card.memory
    assert "gfx1010" in torch.cuda.get_arch_list()
