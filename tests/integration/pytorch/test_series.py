"""Every patch of PyTorch's series does its work on the real source, and the work stops without it.

Each check is a function of a source tree; a test runs it on the patched tree, and shows that
it fails on the tree with that one patch taken off. Selectors and messages are cut out of the
source and compiled against stubs (harness/), so that no torch has to be built for it.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from tests.integration.pytorch.conftest import HERE, VERSION, Without
from tests.integration.pytorch.probing import (
    CLANG,
    CONFIGURE_HIP,
    LOAD_HIP,
    answer,
    compiled,
    cut,
    cut_text,
    inside,
    load_hip,
    needs,
    on_virtual_card,
)

from rocm_patch.components.pytorch import PyTorch
from rocm_patch.errors import RocmPatchError
from rocm_patch.paths import data_root
from rocm_patch.pipeline.engine import Pipeline
from rocm_patch.pipeline.model import Request
from rocm_patch.series import apply_series, check, load_series
from rocm_patch.sysroot import Sysroot

pytestmark = [pytest.mark.sysroot, pytest.mark.network]


def test_findhip_is_found_in_the_multiarch_folder(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def found(tree: Path) -> None:
        assert "found=TRUE" in load_hip(sysroot, tree, tmp_path)

    needs(found, patched, without(1))


def test_rocm_version_comes_from_hip(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def version(tree: Path) -> None:
        assert "rocm=60400 " in load_hip(sysroot, tree, tmp_path)

    needs(version, patched, without(2))


def test_hipblaslt_leaves_the_build(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def absent(tree: Path) -> None:
        assert "lt=." in load_hip(sysroot, tree, tmp_path)
        blas = (tree / "aten/src/ATen/cuda/CUDABlas.cpp").read_text()
        (tmp_path / "blas.cpp").write_text(re.sub(r"^\s*#\s*include.*$", "", blas, flags=re.MULTILINE))
        argv = ["g++-13", "-E", "-P", "-DUSE_ROCM", "-DTORCH_NO_HIPBLASLT", "/w/blas.cpp"]
        left = inside(sysroot, tree, argv, tmp_path)
        assert "cublasGemmEx" in left
        assert re.findall(r"\bcublasLt\w+", left) == []

    needs(absent, patched, without(4))


def test_ck_sources_leave_the_build(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def gone(tree: Path) -> None:
        lists = tree / "aten/src/ATen/CMakeLists.txt"
        globbed = cut(lists, "file(GLOB native_hip_hip", "\n")
        option = cut(lists, "  if(USE_ROCM_CK_GEMM)", "  # Next two lines")
        script = (
            "cmake_minimum_required(VERSION 3.20)\n"
            "set(CMAKE_CURRENT_SOURCE_DIR /src/aten/src/ATen)\n"
            f"{globbed}\nlist(LENGTH native_hip_hip before)\n"
            f"{option}\nlist(LENGTH native_hip_hip after)\n"
            'message("RESULT ${before} ${after}")\n'
        )
        (tmp_path / "probe.cmake").write_text(
            script.replace('GLOB native_hip_hip "', 'GLOB native_hip_hip "/src/aten/src/ATen/').replace(
                '" "native', '" "/src/aten/src/ATen/native'
            )
        )
        output = inside(sysroot, tree, ["cmake", "-DUSE_ROCM_CK_GEMM=OFF", "-P", "/w/probe.cmake"], tmp_path)
        before, after = map(int, re.findall(r"RESULT (\d+) (\d+)", output)[0])
        assert before >= 15
        assert after == 0
        blas = (tree / "aten/src/ATen/cuda/CUDABlas.cpp").read_text()
        (tmp_path / "blas.cpp").write_text(re.sub(r"^\s*#\s*include.*$", "", blas, flags=re.MULTILINE))
        argv = ["g++-13", "-E", "-P", "-DUSE_ROCM", "-DTORCH_NO_ROCM_CK_GEMM", "/w/blas.cpp"]
        assert "gemm_internal_ck" not in inside(sysroot, tree, argv, tmp_path)

    needs(gone, patched, without(3, before=(4,)))


def test_flatbuffers_header_compiles(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def compiles(tree: Path) -> None:
        (tmp_path / "fb.cpp").write_text(
            "#include <torch/csrc/jit/serialization/mobile_bytecode_generated.h>\nint main() {}\n"
        )
        inside(sysroot, tree, ["g++-13", "-std=c++17", "-fsyntax-only", "-I/src", "/w/fb.cpp"], tmp_path)

    needs(compiles, patched, without(5))


def test_configures_with_system_libraries(
    sysroot: Sysroot, without: Without, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The whole pipeline up to `configure`, on the real source in the real sysroot."""
    request = Request(component="pytorch", version=VERSION, jobs=1)
    root = tmp_path_factory.mktemp("pipeline")
    pipeline = Pipeline(PyTorch(), request, root=root)
    pipeline.run(until="configure")
    ninja = (pipeline.folder / "src" / "build" / "build.ninja").read_text()
    assert "/deps/lib/libgloo.a" in ninja
    assert "libgloo_hip" not in ninja
    assert "torch_hip_generated_Nonzero.hip.o" in ninja
    assert not re.search(r"hipblaslt|(ck_b?gemm|bgemm_kernel)\w*\.hip", ninja)
    # What keeps calls of Composable Kernel out: where these two are compiled, and nowhere else.
    assert ninja.count("-DTORCH_NO_ROCM_CK_GEMM") == 2
    for name in ("Context", "hip/HIPBlas"):
        edge = cut_text(ninja, f"/__/aten/src/ATen/{name}.cpp.o: CXX_COMPILER", "\n\n")
        assert "-DTORCH_NO_ROCM_CK_GEMM" in edge
    assert "/libcpp-httplib.so" in cut_text(ninja, "build lib/libtorch_cpu.so: ", "\n\n")

    argv = ["env", "ROCM_PATH=/usr", "PYTORCH_ROCM_ARCH=gfx1010", "cmake", "-GNinja",
            "-S", "/src", "-B", "/w/b",
            f"-DCMAKE_CXX_COMPILER={CLANG}", "-DUSE_SYSTEM_LIBS=ON", "-DUSE_XNNPACK=OFF",
            "-DBUILD_PYTHON=OFF", "-DUSE_CUDA=OFF", "-DBLAS=OpenBLAS",
            "-DBUILD_CUSTOM_PROTOBUF=OFF", "-DUSE_NNPACK=OFF",
            "-DUSE_PYTORCH_QNNPACK=OFF", "-DUSE_FBGEMM=OFF", "-DUSE_MKLDNN=OFF", "-DUSE_ITT=OFF",
            "-DCMAKE_CXX_FLAGS=--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13"]  # fmt: skip
    with pytest.raises(AssertionError, match=r"pocketfft|XNNPACK"):
        inside(sysroot, without(6), argv, tmp_path)


def test_batchnorm_backend_of_each_arch(patched: Path, without: Without, tmp_path: Path) -> None:
    def selected(tree: Path) -> None:
        source = tree / "aten/src/ATen/native/Normalization.cpp"
        selector = cut(source, "BatchNormBackend _select_batch_norm_backend(", "\n}\n") + "\n}\n"
        (tmp_path / "selector.inc").write_text(selector)
        program = compiled(tmp_path, "batchnorm", "-DUSE_ROCM")
        for arch in ("gfx1010:xnack-", "gfx1011", "gfx1012:xnack-"):
            assert answer(program, arch) == "native\n"
        for arch in ("gfx1030", "gfx90a:sramecc+:xnack-", "gfx1100"):
            assert answer(program, arch) == "miopen\n"

    needs(selected, patched, without(7))


def test_rnn_backend_of_each_arch(patched: Path, without: Without, tmp_path: Path) -> None:
    def selected(tree: Path) -> None:
        source = tree / "aten/src/ATen/native/RNN.cpp"
        (tmp_path / "selector.inc").write_text(cut(source, "bool use_miopen(", "\n}\n") + "\n}\n")
        program = compiled(tmp_path, "rnn", "-DUSE_ROCM")
        for arch in ("gfx1010:xnack-", "gfx1011", "gfx1012:xnack-"):
            assert answer(program, arch) == "native\n"
        for arch in ("gfx1030", "gfx90a:sramecc+:xnack-", "gfx1100"):
            assert answer(program, arch) == "miopen\n"

    needs(selected, patched, without(8))


def test_missing_arch_is_named(patched: Path, without: Without, tmp_path: Path) -> None:
    def named(tree: Path) -> None:
        program = compiled(
            tmp_path, "exception", "-DUSE_ROCM", '-DC10_HIP_ARCH_LIST="gfx1010 gfx1012"',
            "-fpermissive", "-w",
            source=tree / "c10/cuda/CUDAException.cpp",
        )  # fmt: skip
        for code in ("98", "200", "209"):
            text = answer(program, code)
            assert "GPU 1 (Radeon 610M) is gfx1036;" in text
            assert "holds GPU code for: gfx1010 gfx1012." in text
        assert "gfx" not in answer(program, "2")

    needs(named, patched, without(9))


def test_gloo_connects_with_both_kinds_of_store(patched: Path, without: Without, tmp_path: Path) -> None:
    def connects(tree: Path) -> None:
        source = tree / "torch/csrc/distributed/c10d/ProcessGroupGloo.cpp"
        helper = cut(source, "template <typename PrefixStore, typename Context", "} // namespace")
        (tmp_path / "connect.inc").write_text(helper)
        assert answer(compiled(tmp_path, "gloo")) == "old 0/kept\nnew 0/kept\nkept\n"

    needs(connects, patched, without(10))


def test_kineto_builds_without_roctracer(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    def switched(tree: Path) -> None:
        lists = tree / "cmake/Dependencies.cmake"
        text = lists.read_text()
        block = text[text.index("if(USE_KINETO)\n") :]
        script = block[: block.index("  if((NOT USE_XPU)")] + "endif()\n"
        (tmp_path / "probe.cmake").write_text(
            f'cmake_minimum_required(VERSION 3.20)\n{script}\nmessage("RESULT ${{LIBKINETO_NOROCTRACER}}")\n'
        )
        argv = ["cmake", "-DUSE_KINETO=ON", "-DUSE_ROCM=ON", "-DROCM_PATH=/usr", "-P", "/w/probe.cmake"]
        assert "RESULT ON" in inside(sysroot, tree, argv, tmp_path)

    needs(switched, patched, without(11))


def test_torch_hip_is_linked_with_all_that_it_calls(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    """What PyTorch's own list of libraries leaves out is missed by a linker that is told to be strict."""
    calls = ("roctxMarkA", "rocblas_set_workspace", "hipblasCreate", "miopenCreate")
    (tmp_path / "probe.cpp").write_text(
        'extern "C" {\n'
        + "".join(f"void {name}();\n" for name in calls)
        + "void probe() {\n"
        + "".join(f"  {name}();\n" for name in calls)
        + "}\n}\n"
    )

    def links(tree: Path) -> None:
        listed = cut(
            tree / "cmake/Dependencies.cmake",
            "    set(Caffe2_PUBLIC_HIP_DEPENDENCY_LIBS",
            "    # ---[ Kernel asserts",
        )
        (tmp_path / "CMakeLists.txt").write_text(
            LOAD_HIP
            + listed
            + "add_library(probe SHARED probe.cpp)\n"
            + "target_link_options(probe PRIVATE -Wl,--no-undefined)\n"
            + "target_link_libraries(probe PRIVATE\n"
            + "  ${Caffe2_PUBLIC_HIP_DEPENDENCY_LIBS} ${Caffe2_HIP_DEPENDENCY_LIBS})\n"
        )
        inside(sysroot, tree, [*CONFIGURE_HIP, "-DUSE_HIPBLASLT=OFF"], tmp_path)
        inside(sysroot, tree, ["cmake", "--build", "/w/build"], tmp_path)

    needs(links, patched, without(12))


def test_c_files_get_no_cxx_standard(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    (tmp_path / "hip.cpp").write_text("int hip() { return static_cast<int>(__cplusplus); }\n")
    (tmp_path / "user.c").write_text("int user(void) { return 0; }\n")

    def builds(tree: Path) -> None:
        line = cut(tree / "caffe2/CMakeLists.txt", "  target_compile_options(torch_hip PUBLIC", "\n")
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(probe C CXX)\n"
            "set(HIP_CXX_FLAGS -DUSE_ROCM -std=c++17)\n"
            "add_library(torch_hip SHARED hip.cpp)\n"
            f"{line}\n"
            "add_library(user SHARED user.c)\ntarget_link_libraries(user PRIVATE torch_hip)\n"
        )
        argv = [*CONFIGURE_HIP, f"-DCMAKE_C_COMPILER={CLANG.removesuffix('++')}"]
        inside(sysroot, tree, argv, tmp_path)
        ninja = (tmp_path / "build" / "build.ninja").read_text()
        assert "-DUSE_ROCM -std=c++17" in cut_text(ninja, "hip.cpp.o: CXX_COMPILER", "\n\n")
        inside(sysroot, tree, ["cmake", "--build", "/w/build"], tmp_path)

    needs(builds, patched, without(13))


def test_tuples_of_pybind11_3_have_one_type(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    """Each place with what it names around it, against the sysroot's pybind11; one at a time."""

    def places(tree: Path) -> dict[str, str]:
        jit = tree / "torch/csrc/jit/python/init.cpp"
        operation = cut(jit, '"_jit_get_operation",', " {\n").partition("\n")[2]
        packet = cut(jit, '"_maybe_call_torch_function_for_op_packet",', "\n      });").partition("\n")[2]
        state = cut(
            tree / "torch/csrc/distributed/c10d/init.cpp",
            "      .def(py::pickle(",
            ",\n          [](const py::tuple&",
        )
        chosen = cut(
            tree / "torch/csrc/utils/python_arg_parser.cpp", "  py::object args = (val == nullptr)", ";"
        )
        return {
            "operation": f"auto one = {operation} {{\n"
            "  if (op_name.empty()) return py::make_tuple(py::none(), py::none());\n"
            "  py::list overload_names;\n  auto func = py::cpp_function([] {});\n"
            "  return py::make_tuple(func, overload_names);\n};\n",
            "packet": f"auto one = {packet}\n}};\n",
            "state": f"auto one = {state.partition('py::pickle(')[2]};\n",
            "chosen": f"void one(PyObject* self, PyObject* index, PyObject* val) {{\n{chosen};\n}}\n",
        }

    around = (HERE / "harness" / "tuples.h").read_text()

    def compiles(name: str, tree: Path) -> None:
        (tmp_path / "probe.cpp").write_text(around + places(tree)[name])
        argv = [CLANG, "--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13", "-std=c++17", "-fsyntax-only",
                "-I/usr/include/python3.13", "/w/probe.cpp"]  # fmt: skip
        inside(sysroot, tree, argv, tmp_path)

    bare = without(14)
    for name in places(patched):
        needs(partial(compiles, name), patched, bare)


def test_aten_config_names_no_folder_of_the_build(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    folder = tmp_path / "torch" / "share" / "cmake" / "ATen"
    folder.mkdir(parents=True)

    def found(tree: Path) -> None:
        line = cut(tree / "aten/src/ATen/CMakeLists.txt", "configure_file(ATenConfig.cmake.in", "\n")
        line = line.replace("ATenConfig.cmake.in", "/src/aten/src/ATen/ATenConfig.cmake.in")
        (tmp_path / "write.cmake").write_text(
            "set(ATEN_INCLUDE_DIR /src/torch/include)\nset(ATEN_LIBRARIES torch)\n"
            + line.replace("${CMAKE_CURRENT_BINARY_DIR}/cmake-exports", "/w/torch/share/cmake/ATen")
        )
        inside(sysroot, tree, ["cmake", "-P", "/w/write.cmake"], tmp_path)
        assert "/src/" not in (folder / "ATenConfig.cmake").read_text()
        (tmp_path / "read.cmake").write_text(
            "include(/w/torch/share/cmake/ATen/ATenConfig.cmake)\n"
            'message("RESULT ${ATEN_INCLUDE_DIR} ${ATEN_LIBRARIES}")\n'
        )
        assert "RESULT /w/torch/include torch" in inside(
            sysroot, tree, ["cmake", "-P", "/w/read.cmake"], tmp_path
        )

    needs(found, patched, without(15))


def test_cholesky_and_least_squares_reach_hipsolver(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    """What is left of each dispatcher where ROCm's solver is there and MAGMA is not."""

    def reach(tree: Path) -> None:
        source = (tree / "aten/src/ATen/native/cuda/linalg/BatchLinearAlgebra.cpp").read_text()
        (tmp_path / "linalg.cpp").write_text(re.sub(r"^\s*#\s*include.*$", "", source, flags=re.MULTILINE))
        argv = ["g++-13", "-E", "-P", "-DUSE_ROCM", "-DUSE_LINALG_SOLVER", "-DAT_ROCM_ENABLED()=1",
                "-DAT_MAGMA_ENABLED()=0", "/w/linalg.cpp"]  # fmt: skip
        left = inside(sysroot, tree, argv, tmp_path)
        for start, call in (
            ("Tensor _cholesky_solve_helper_cuda(", "_cholesky_solve_helper_cuda_cusolver("),
            ("static void cholesky_kernel(", "cholesky_helper_cusolver("),
            ("cholesky_inverse_kernel_impl(Tensor", "cholesky_inverse_kernel_impl_cusolver("),
            ("void gels_looped(", "return linalg_lstsq_gels("),
        ):
            assert call in cut_text(left, start, "\n}\n"), start
        least = cut_text(left, "void lstsq_kernel(", "\n}\n")
        assert "gels_looped(" in least
        assert "rebuild with" not in least

    needs(reach, patched, without(16))


def test_nonzero_static_of_nothing_divides_by_nothing(
    patched: Path, without: Without, tmp_path: Path
) -> None:
    def decides(tree: Path) -> None:
        source = cut(
            tree / "aten/src/ATen/native/cuda/Nonzero.cu", "void nonzero_static_cuda_out_impl(", "\n}\n"
        )
        guard = cut_text(source, "  if (out.numel() == 0) return;", "  // we need to allocate")
        grid = cut_text(source, "  constexpr int BLOCK_THREADS", "  auto& allocator")
        (tmp_path / "guard.inc").write_text(guard)
        (tmp_path / "grid.inc").write_text(grid)
        assert answer(compiled(tmp_path, "nonzero_static")) == "launch 13\nfilled 5\n"

    needs(decides, patched, without(17))


def test_series_passes_its_own_check(pristine: Path) -> None:
    folder = load_series("pytorch", VERSION).folder
    findings = check(folder, VERSION, root=data_root(), tree=pristine)
    assert [str(finding) for finding in findings] == []


def test_a_changed_source_is_refused(pristine: Path, tmp_path: Path) -> None:
    """One line off in the real source: the series says which patch, and writes nothing."""
    tree = tmp_path / "tree"
    (tree / "cmake/public").mkdir(parents=True)
    lines = (pristine / "cmake/public/LoadHIP.cmake").read_text().replace("lib/cmake/hip", "lib/cmake/HIP")
    (tree / "cmake/public/LoadHIP.cmake").write_text(lines)
    with pytest.raises(RocmPatchError, match="0001-findhip"):
        apply_series(load_series("pytorch", VERSION), tree)
    assert (tree / "cmake/public/LoadHIP.cmake").read_text() == lines


def test_eigenvalues_of_general_matrices_stay_on_the_gpu(
    sysroot: Sysroot, patched: Path, without: Without, tmp_path: Path
) -> None:
    """The host's part is not reached without MAGMA; the kernels are right, and in order by strict mode."""

    def stays(tree: Path) -> None:
        native = tree / "aten/src/ATen/native"
        start = "static std::tuple<Tensor&, Tensor&> linalg_eig_out_info("
        chosen = cut(native / "BatchLinearAlgebra.cpp", start, "\n}\n")
        order = (
            r"eig_stays_on_gpu\(input\).*linalg_eig_stub\(input\.device.*return .*linalg_eig_stub\(at::kCPU"
        )
        assert re.search(order, chosen, flags=re.DOTALL)
        source = (native / "cuda/linalg/BatchLinearAlgebra.cpp").read_text()
        (tmp_path / "linalg.cpp").write_text(re.sub(r"^\s*#\s*include.*$", "", source, flags=re.MULTILINE))
        argv = ["g++-13", "-E", "-P", "-DUSE_ROCM", "-DUSE_LINALG_SOLVER", "-DAT_ROCM_ENABLED()=1"]
        argv += ["-DAT_MAGMA_ENABLED()=0", "/w/linalg.cpp"]
        left = cut_text(inside(sysroot, tree, argv, tmp_path), "void linalg_eig_kernel(", "\n}\n")
        assert "linalg_eig_general(" in left
        assert "kCPU" not in left
        kernels = cut(
            native / "cuda/EigGeneral.cu", "constexpr int kThreads", "template <typename R>\nvoid decompose("
        )
        # A workgroup of two wavefronts still has to wait, and 65 rows are more than its threads.
        assert "kThreads = 256;" in kernels
        (tmp_path / "kernels.inc").write_text(kernels.replace("kThreads = 256;", "kThreads = 64;"))
        argv = ["hipcc", "--offload-arch=gfx1010", "-O3", "-std=c++17", "-I/src", "-I/w"]
        argv += ["-DC10_USING_CUSTOM_GENERATED_MACROS", "/harness/eig.hip", "-o", "/w/eig"]
        done = on_virtual_card(sysroot, tree, argv, ["/w/eig"], tmp_path)
        assert (done.returncode, done.stdout) == (0, "right\n"), done.stdout + done.stderr

    needs(stays, patched, without(18))
