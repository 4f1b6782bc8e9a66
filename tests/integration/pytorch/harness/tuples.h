// What the places of patch 0014 name around them, as little as makes them compile.
#include <optional>
#include <pybind11/pybind11.h>
#include <string>

namespace py = pybind11;
#define TORCH_CHECK(...)

inline std::optional<py::object> _maybe_handle_torch_function(
    const std::string&, const std::string&, const std::string&, bool, const py::args&, const py::kwargs&) {
  return py::none();
}

namespace at {
struct Tensor {
  bool defined() const { return true; }
};
} // namespace at

namespace c10d {
struct NCCLPreMulSumSupplement {
  double double_factor = 1;
  at::Tensor tensor_factor;
};
struct Supplement {
  NCCLPreMulSumSupplement* held = nullptr;
  bool defined() const { return held != nullptr; }
  NCCLPreMulSumSupplement* get() const { return held; }
};
struct ReduceOp {
  enum RedOpType : unsigned char { SUM, PREMUL_SUM };
  RedOpType op_ = SUM;
  Supplement supplement_;
};
} // namespace c10d

