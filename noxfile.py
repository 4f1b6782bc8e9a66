"""The project's jobs: `./nox -s JOB`, or `nox -s JOB` with a nox of your own. No logic here."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint"]

REQUIREMENTS = "build/requirements"
SOURCE = {"PYTHONPATH": "src"}
CPP = sorted(str(path) for path in Path("vgpu").rglob("*") if path.suffix in {".cpp", ".h", ".hip"})


def _install(session: nox.Session, name: str = "project") -> None:
    """Install what the project runs on, each file by its hash; the project itself is src/."""
    session.install("--require-hashes", "--no-deps", "--requirement", f"{REQUIREMENTS}/{name}.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; the arguments are pytest's."""
    _install(session)
    session.run("pytest", "--cov", "--cov-fail-under=85", *session.posargs, env=SOURCE)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the form and the types of the Python code, and the form of the C++ code."""
    _install(session, "lint")
    _install(session, "nox")  # mypy reads this file too
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("clang-format", "--dry-run", "-Werror", *CPP)
    session.run("mypy", env=SOURCE)


@nox.session
def tidy(session: nox.Session) -> None:
    """Run clang-tidy's chosen checks (.clang-tidy) over vgpu/ (minutes) or over the files named."""
    _install(session, "lint")
    configure = ["-DVGPU_TESTS=ON", "-DVGPU_HOST_BUILDS=portable"]
    session.run("cmake", "-S", "vgpu", "-B", session.create_tmp(), *configure, external=True)
    files = session.posargs or [path for path in CPP if path.endswith(".cpp")]
    session.run("clang-tidy", "-p", session.create_tmp(), "--quiet", *files)


@nox.session(name="build-torch-gfx1010")
def build_torch_gfx1010(session: nox.Session) -> None:
    """Build PyTorch's wheel; the arguments are `rocm-patch build`'s, such as --plan."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "build", "pytorch", "2.6.0", *session.posargs, env=SOURCE)


@nox.session(name="build-rocblas-gfx1010")
def build_rocblas_gfx1010(session: nox.Session) -> None:
    """Build rocBLAS; the arguments are `rocm-patch build`'s, such as --kernels-only or --without-tensile."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "build", "rocblas", "6.4.4", *session.posargs, env=SOURCE)


@nox.session(name="build-miopen-gfx1010")
def build_miopen_gfx1010(session: nox.Session) -> None:
    """Build MIOpen; the arguments are `rocm-patch build`'s, such as --plan."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "build", "miopen", "6.4.3", *session.posargs, env=SOURCE)


@nox.session(name="build-rocsolver-gfx1010")
def build_rocsolver_gfx1010(session: nox.Session) -> None:
    """Build rocSOLVER whose kernels for small matrices keep order on wave32."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "build", "rocsolver", "6.4.3", *session.posargs, env=SOURCE)


@nox.session
def package(session: nox.Session) -> None:
    """Make .deb and .rpm packages of dist/; the arguments are `package all`'s, such as --stock FILE."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "package", "all", *session.posargs, env=SOURCE)


@nox.session
def repo(session: nox.Session) -> None:
    """Make signed apt and rpm repositories of dist/; --serve serves them on this machine alone."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "repo", *session.posargs, env=SOURCE)


@nox.session
def demo(session: nox.Session) -> None:
    """Run a HIP program and a rocBLAS sgemm on the virtual gfx1010; the arguments are `vgpu demo`'s."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "vgpu", "demo", *session.posargs, env=SOURCE)


@nox.session(name="validate-torch-gfx1010")
def validate_torch_gfx1010(session: nox.Session) -> None:
    """Run the GPU suite with the wheel in dist/ on the virtual gfx1010; the arguments are `validate`'s."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "validate", "--virtual", *session.posargs, env=SOURCE)


@nox.session(name="validate-card")
def validate_card(session: nox.Session) -> None:
    """Run the GPU suite on this machine's card; the arguments are `validate`'s: --python has the torch."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "validate", *session.posargs, env=SOURCE)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run others' GPU test suites on the virtual gfx1010; the arguments are `vgpu conformance`'s."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "vgpu", "conformance", *session.posargs, env=SOURCE)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the virtual gfx1010 beside OpenBLAS on one core; the arguments are `vgpu bench`'s."""
    _install(session)
    session.run("python", "-m", "rocm_patch", "vgpu", "bench", *session.posargs, env=SOURCE)
