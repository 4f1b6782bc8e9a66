// What most of libtorch_cpu's and libtorch_hip's own C++ sources include, compiled once
// (recipes/pytorch/build.yml: precompile). It only has to hold what is often wanted: a source
// that includes less still compiles the same, one that includes more reads the rest as text.
#pragma once
#include <ATen/core/ATen_pch.h>

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/RedispatchFunctions.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/jit_type.h>
#include <ATen/core/op_registration/op_registration.h>
#include <ATen/core/stack.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/library.h>
