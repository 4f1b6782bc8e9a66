# What every part of vgpu/ is compiled with. Include first; knows no part.
#
#   VGPU_SANITIZE   "" | address | thread   address brings undefined-behaviour checks with it
#   VGPU_TESTS      build the C++ tests and register them with ctest
#   VGPU_WERROR     warnings are errors (the default in CI and for the tests)
set(VGPU_SANITIZE "" CACHE STRING "Sanitizer to build with: empty, address or thread")
set_property(CACHE VGPU_SANITIZE PROPERTY STRINGS "" address thread)
option(VGPU_TESTS "Build the C++ tests" OFF)
option(VGPU_WERROR "Treat warnings as errors" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Programs load the library beside their own C++ runtime: nothing but hsa_* may be seen of it.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra)
if(VGPU_WERROR)
  add_compile_options(-Werror)
endif()
# The emulator's results must be the card's: no contraction of a*b+c that the kernel did not ask for.
add_compile_options(-ffp-contract=off)

if(VGPU_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(VGPU_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT VGPU_SANITIZE STREQUAL "")
  message(FATAL_ERROR "VGPU_SANITIZE is '${VGPU_SANITIZE}'; it must be empty, address or thread")
endif()

find_package(Threads REQUIRED)
if(VGPU_TESTS)
  enable_testing()
endif()
