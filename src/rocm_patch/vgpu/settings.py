"""What can be asked of the virtual GPU, and the VGPU_* variables that carry it.

Knows the names and limits that vgpu/core/options.h and vgpu/hsa/runtime.cpp read;
not how a program is started.
"""

from __future__ import annotations

import attrs

from rocm_patch.errors import UsageError

PROFILES = ("rx5600xt", "rx5700xt")
INJECTIONS = ("lane-stuck", "dpp-row", "fma-rounding", "missing-kernel")
MAX_DEVICES = 16
SONAME = "libhsa-runtime64.so.1"
NOTICE = (
    "vgpu: running on a virtual gfx1010 card: a test instrument that executes GPU code on the CPU, "
    "not a way to train"
)


@attrs.frozen
class Settings:
    """How the cards shall be and behave.

    `stats` and `trace` name a file; "" for `stats` prints a table on stderr, "-" for
    `trace` writes there; None is off. `inject` plants a defect: a name of INJECTIONS,
    `missing-kernel` with `:NAME` behind it.
    """

    profile: str = PROFILES[0]
    devices: int = 1
    strict: bool = False
    stats: str | None = None
    trace: str | None = None
    inject: str | None = None
    log: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what the library would refuse, with a word on what there is."""
        if self.profile not in PROFILES:
            raise UsageError(f"no card is called {self.profile!r}", step=f"choose from {', '.join(PROFILES)}")
        if not 1 <= self.devices <= MAX_DEVICES:
            raise UsageError(f"{self.devices} cards cannot be had", step=f"ask for 1 to {MAX_DEVICES}")
        if self.inject is not None:
            name, _, argument = self.inject.partition(":")
            if name not in INJECTIONS or bool(argument) != (name == "missing-kernel"):
                raise UsageError(
                    f"{self.inject!r} is no defect that can be planted",
                    step=f"choose from {', '.join(INJECTIONS[:-1])} and missing-kernel:NAME",
                )

    def environment(self) -> dict[str, str]:
        """Give the variables; what is off is left out."""
        variables = {"VGPU_PROFILE": self.profile, "VGPU_DEVICES": str(self.devices)}
        if self.strict:
            variables["VGPU_STRICT"] = "1"
        if self.stats is not None:
            variables["VGPU_STATS"] = self.stats or "1"
        for name, value in (("TRACE", self.trace), ("INJECT", self.inject), ("LOG", self.log)):
            if value is not None:
                variables[f"VGPU_{name}"] = value
        return variables
