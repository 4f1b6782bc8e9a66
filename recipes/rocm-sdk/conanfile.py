"""The ROCm environment as a Conan package: found and described, never built.

Its package id is the hash of its description (the sysroot's lock, the version and
compiler of an installed ROCm, an image's digest), so that whatever is compiled in it
gets another id when the environment is another one.
"""

import json
from pathlib import Path

from conan import ConanFile


class RocmSdk(ConanFile):
    """One environment, by the hash of its description."""

    name = "rocm-sdk"
    description = "What compiles for the GPU: HIP, clang and the ROCm libraries of one environment"
    license = "MIT"
    package_type = "build-scripts"
    python_requires = "rocm-patch-base/1.0"
    python_requires_extend = "rocm-patch-base.Door"
    settings = "os", "arch"
    options = {"sdk": ["ANY"], "description": ["ANY", None]}
    default_options = {"sdk": "sysroot", "description": None}

    def configure(self):
        """Describe the environment."""
        if not self.options.description.value:
            self.options.description = self._door().sdk_digest(str(self.options.sdk))

    def package_id(self):
        """Leave out the words by which it was asked for."""
        # The same environment may be named in several ways (a path, a default).
        del self.info.options.sdk
        # What its description says is all that counts.
        self.info.python_requires.unrelated_mode()

    def package(self):
        """Write the description down."""
        described = self._door().sdk_description(str(self.options.sdk))
        Path(self.package_folder, "sdk.json").write_text(json.dumps(described, indent=1, sort_keys=True))
