"""Ask the library itself what its agents are: `python -m rocm_patch.vgpu.probe LIBRARY` prints JSON.

A process of its own, so that the library's environment and its state stay out of the
caller. Knows the few attributes that it shows.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

from rocm_patch import commands
from rocm_patch.errors import VgpuError
from rocm_patch.vgpu.settings import Settings

_GPU = 1
_DEVICE_TYPE = 17
#: key -> (attribute id of hsa_agent_get_info, ctypes type)
_ATTRIBUTES: dict[str, tuple[int, Any]] = {
    "gfx": (0, ctypes.c_char * 64),
    "name": (0xA009, ctypes.c_char * 64),
    "chip": (0xA000, ctypes.c_uint32),
    "compute-units": (0xA002, ctypes.c_uint32),
    "wave-size": (6, ctypes.c_uint32),
    "waves-per-cu": (0xA00A, ctypes.c_uint32),
    "clock-mhz": (0xA003, ctypes.c_uint32),
    "memory-bytes": (0xA015, ctypes.c_uint64),
    "memory-bits": (0xA007, ctypes.c_uint32),
    "uuid": (0xA011, ctypes.c_char * 21),
}


def probe(library: Path, settings: Settings) -> list[dict[str, Any]]:
    """Give each card's properties; VgpuError where the library does not start."""
    done = commands.run(
        [sys.executable, "-m", "rocm_patch.vgpu.probe", str(library)],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise VgpuError(f"{library} does not start", detail=done.stderr.splitlines()[-10:])
    cards: list[dict[str, Any]] = json.loads(done.stdout)
    return cards


def _ask(path: str) -> list[dict[str, Any]]:
    hsa = ctypes.CDLL(path)
    agent_type = ctypes.c_uint64
    if hsa.hsa_init() != 0:
        raise SystemExit("hsa_init failed")
    agents: list[int] = []
    callback_type = ctypes.CFUNCTYPE(ctypes.c_uint32, agent_type, ctypes.c_void_p)

    def gather(agent: int, _data: object) -> int:
        agents.append(agent)
        return 0

    hsa.hsa_iterate_agents(callback_type(gather), None)

    def value(agent: int, attribute: int, kind: Any) -> Any:
        out = kind()
        if hsa.hsa_agent_get_info(agent_type(agent), attribute, ctypes.byref(out)) != 0:
            raise SystemExit(f"attribute {attribute:#x} is not answered")
        return out.value.decode() if isinstance(out.value, bytes) else out.value

    cards = [agent for agent in agents if value(agent, _DEVICE_TYPE, ctypes.c_uint32) == _GPU]
    answer = [{key: value(card, *how) for key, how in _ATTRIBUTES.items()} for card in cards]
    hsa.hsa_shut_down()
    return answer


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_ask(sys.argv[1])))
