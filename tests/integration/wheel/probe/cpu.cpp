// What libtorch_cpu links, in small: OpenBLAS with LAPACK, gloo, fmt, and functions whose default
// version in the sysroot's glibc is too new for the wheel.
#include <cblas.h>
#include <fmt/format.h>
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/hash_store.h>
#include <gloo/transport/tcp/device.h>

#include <cmath>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

extern "C" void sgesv_(int *n, int *columns, float *a, int *lda, int *pivots, float *b, int *ldb, int *info);

namespace probe {

double product(int n) {
  std::vector<double> a(n * n, 2.0), b(n * n, 3.0), c(n * n, 0.0);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, a.data(), n, b.data(), n, 0.0, c.data(), n);
  return c[n * n - 1];
}

float solve() {
  int n = 2, one = 1, info = 0;
  float a[4] = {2, 0, 0, 4}, b[2] = {6, 8};
  int pivots[2];
  sgesv_(&n, &one, a, &n, pivots, b, &n, &info);
  return info == 0 ? b[0] + b[1] : -1.0F;
}

float angle(float y, float x) { return std::atan2(y, x) + std::log10(x); }

std::string text(int value) { return fmt::format("{:04d}", value); }

static int rank_sum(int rank, int size, std::shared_ptr<gloo::rendezvous::HashStore> store) {
  gloo::transport::tcp::attr where;
  where.iface = "lo";
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, size);
  auto device = gloo::transport::tcp::CreateDevice(where);
  context->connectFullMesh(store, device);
  int value = rank + 1, sum = 0;
  gloo::AllreduceOptions options(context);
  options.setInput(&value, 1);
  options.setOutput(&sum, 1);
  options.setReduceFunction(
      [](void *to, const void *left, const void *right, size_t count) { gloo::sum<int>(to, left, right, count); });
  gloo::allreduce(options);
  return sum;
}

int reduce() {
  auto store = std::make_shared<gloo::rendezvous::HashStore>();
  auto other = std::async(std::launch::async, rank_sum, 1, 2, store);
  const int mine = rank_sum(0, 2, store);
  return mine + other.get();
}

}  // namespace probe
