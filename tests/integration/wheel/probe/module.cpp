// The extension module over both libraries.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <string>

namespace probe {
double product(int n);
float solve();
float angle(float y, float x);
std::string text(int value);
int reduce();
int devices();
}  // namespace probe

static PyObject *all(PyObject *, PyObject *) {
  try {
    const std::string text = probe::text(7);
    return Py_BuildValue("{s:d,s:d,s:d,s:s,s:i,s:i}", "product", probe::product(8), "solve", probe::solve(), "angle",
                         probe::angle(1.0F, 1.0F), "text", text.c_str(), "reduce", probe::reduce(), "devices",
                         probe::devices());
  } catch (const std::exception &error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
}

static PyMethodDef methods[] = {{"all", all, METH_NOARGS, "Call everything; a dict of results."},
                                {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
