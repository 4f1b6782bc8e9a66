# FindHIP compiles with the hipcc of HIP_HIPCC_EXECUTABLE: with ours, which puts the launcher before clang.
set(HIP_HIPCC_EXECUTABLE "@TOOLS@/bin/hipcc" CACHE STRING "" FORCE)

# hip-config.cmake sets a variable of the same name, which hides the cache's entry: each time, ours is put back.
macro(rocm_patch_keep_hipcc name access)
  if("${access}" STREQUAL "MODIFIED_ACCESS")
    set(HIP_HIPCC_EXECUTABLE "@TOOLS@/bin/hipcc")
  endif()
endmacro()
variable_watch(HIP_HIPCC_EXECUTABLE rocm_patch_keep_hipcc)
