#pragma once
#include <stdexcept>
#include <string>
#define C10_LIKELY(x) (x)
#define TORCH_CHECK(cond, message) \
  if (!(cond)) throw std::runtime_error(message)
