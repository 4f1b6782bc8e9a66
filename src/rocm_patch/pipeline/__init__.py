"""The step engine: from a request to finished files, resumable at any moment.

model     what steps, components and requests are
digest    names for files, folders and values
marks     what is written when a step is done, and how it is doubted later
engine    plan and run; lock, process, measure, logs serve it
rates     how long things take on this machine
ninja     one step's inner progress
machine   cores, memory, disk, programs
sdk       where compilers run: sysroot, host or container
conan     the door through Conan's graph and cache
record    dist/<name>.build.json

It knows no component: those are in rocm_patch.components and are handed in.
"""
