// Run on an older system than the one it was compiled on: uses what that system lacks, then loads
// libraries that were linked elsewhere, each with every symbol bound at once.
//
// Prints "ok" and the number of libraries; otherwise what went wrong, and ends with 1.

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>

extern "C" void __cxa_call_terminate(void *exception);
extern "C" void replace_inside(
    void *string, char *place, std::size_t old_size, const char *text, std::size_t new_size,
    std::size_t rest) __asm__("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE15_M_replace_coldEPcmPKcmm");

namespace {
int wrong(const std::string &what) {
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
  return 1;
}

// std::string::replace with its own text, against a copy's: every place and length of a short string. Called
// by its name, as libprotobuf does: this program's own strings are replaced by the system's library.
int replaces() {
  const std::string text = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    for (std::size_t size = 0; at + size <= text.size(); ++size) {
      for (std::size_t from = 0; from <= text.size(); ++from) {
        for (std::size_t count = 0; from + count <= text.size(); ++count) {
          char inside[64] = "";
          text.copy(inside, text.size());
          const std::size_t rest = text.size() - at - size;
          replace_inside(nullptr, inside + at, size, inside + from, count, rest);
          if (std::string(inside, at + count + rest) !=
              text.substr(0, at) + text.substr(from, count) + text.substr(at + size)) {
            return wrong("replace " + std::to_string(at) + " " + std::to_string(size) + " " +
                         std::to_string(from) + " " + std::to_string(count));
          }
        }
      }
    }
  }
  return 0;
}

int scan(std::FILE *file, const char *format, ...) {
  va_list list;
  va_start(list, format);
  const int read = std::vfscanf(file, format, list);
  va_end(list);
  return read;
}

int numbers() {
  char *end = nullptr;
  if (std::strtol("-12x", &end, 10) != -12 || *end != 'x' || std::strtol("0x7f", nullptr, 0) != 127) {
    return wrong("strtol");
  }
  if (std::strtoul("777", nullptr, 8) != 0777 || std::strtoll("-9223372036854775808", nullptr, 10) >= 0 ||
      std::strtoull("18446744073709551615", nullptr, 10) != ~0ULL) {
    return wrong("strtoul, strtoll or strtoull");
  }
  int first = 0;
  char word[8] = "";
  if (std::sscanf("41 word", "%d %7s", &first, word) != 2 || first != 41 || std::strcmp(word, "word") != 0) {
    return wrong("sscanf");
  }
  std::FILE *file = std::fopen("/proc/self/stat", "r");
  int pid = 0;
  const int read = file != nullptr ? std::fscanf(file, "%d", &pid) + scan(file, " %7s", word) : 0;
  if (file != nullptr) {
    std::fclose(file);
  }
  return read == 2 && pid > 0 && word[0] == '(' ? 0 : wrong("fscanf or vfscanf");
}

// What GCC calls where an exception leaves a function that must not throw; clang has its own.
int terminates() {
  const pid_t child = fork();
  if (child == 0) {
    std::set_terminate([] { _Exit(7); });
    __cxa_call_terminate(nullptr);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : wrong("__cxa_call_terminate");
}
} // namespace

int main(int count, char **words) {
  if (replaces() != 0 || numbers() != 0 || terminates() != 0) {
    return 1;
  }
  for (int i = 1; i < count; ++i) {
    if (dlopen(words[i], RTLD_NOW | RTLD_LOCAL) == nullptr) {
      return wrong(dlerror());
    }
  }
  std::cout << "ok " << count - 1 << std::endl;
  return 0;
}
