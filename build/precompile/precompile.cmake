# Compiles common headers once for a target of the project that is being configured.
# launcher.cmake defers it to the end of the top folder, when all targets are there.

# After the header: regular expressions of sources that do not take it.
function(rocm_patch_precompile target header)
  # Where a part of ROCm was not found its target is not there. That is for the check of what
  # configuring ended with, which names the part; an error here would only hide it.
  if(NOT TARGET ${target})
    return()
  endif()
  # The time of the header would be in its compiled form, and no two builds would have the same bytes:
  # nothing that includes it would be found in a compiler cache.
  target_compile_options(
    ${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${header}>")
  get_target_property(sources ${target} SOURCES)
  get_target_property(folder ${target} SOURCE_DIR)
  foreach(source IN LISTS sources)
    # A relative name would be taken as one of this folder, not of the target's.
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${folder}" NORMALIZE)
    # Flags of its own (an instruction set, say): the compiler refuses what was compiled without them.
    # Definitions of its own are meant for the headers too, which would not see them; and ccache's
    # preprocessor reads the header's text with them, where PyTorch's say #error: nothing was cached.
    foreach(property COMPILE_FLAGS COMPILE_OPTIONS COMPILE_DEFINITIONS)
      get_source_file_property(own "${source}" TARGET_DIRECTORY ${target} ${property})
      if(own)
        set_source_files_properties(
          "${source}" TARGET_DIRECTORY ${target} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
      endif()
    endforeach()
    foreach(pattern IN LISTS ARGN)
      if(source MATCHES "${pattern}")
        set_source_files_properties(
          "${source}" TARGET_DIRECTORY ${target} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
      endif()
    endforeach()
  endforeach()
endfunction()
