// What GCC 13's and 14's headers ask of libstdc++ and GCC 12's library does not have.

#include <cstddef>
#include <cstring>
#include <exception>
#include <ios>
#include <memory>

// GCC 13's <iostream> asks for this name instead of making an Init object in each file: the library
// that has it makes the streams ready by itself. An older one does it for the object below.
extern "C" void streams_ready() __asm__("_ZSt21ios_base_library_initv");
void streams_ready() {}

namespace {
std::ios_base::Init streams __attribute__((init_priority(101)));
}

// Called where an exception leaves a function that must not throw: the exception counts as caught.
extern "C" void *__cxa_begin_catch(void *exception) noexcept;
extern "C" [[noreturn]] void call_terminate(void *exception) noexcept __asm__("__cxa_call_terminate");
void call_terminate(void *exception) noexcept {
  if (exception != nullptr) {
    __cxa_begin_catch(exception);
  }
  std::terminate();
}

// std::string::replace where the new text lies in the string itself and there is room: `place` is where
// `old_size` characters give way to `new_size`, and `rest` characters follow. The text is copied first,
// as moving the rest may write over it.
extern "C" void replace_inside(
    void *string, char *place, std::size_t old_size, const char *text, std::size_t new_size,
    std::size_t rest) __asm__("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE15_M_replace_coldEPcmPKcmm");
void replace_inside(void *, char *place, std::size_t old_size, const char *text, std::size_t new_size,
                    std::size_t rest) {
  std::unique_ptr<char[]> copy(new char[new_size]);
  std::memcpy(copy.get(), text, new_size);
  std::memmove(place + new_size, place + old_size, rest);
  std::memcpy(place, copy.get(), new_size);
}
