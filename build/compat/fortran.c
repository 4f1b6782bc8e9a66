/* The two functions of GCC's Fortran runtime that OpenBLAS's LAPACK calls, so that the wheel
   needs no libgfortran. Their interfaces are those by which gfortran compiles `//` (joining two
   strings) and the intrinsic ETIME; character lengths are size_t since GCC 8. Everything here
   is hidden: it serves the archive beside it and nobody else. */

#include <stddef.h>
#include <string.h>
#include <sys/resource.h>

#pragma GCC visibility push(hidden)

/* Join two strings; what remains of the result is blanks, and what does not fit is cut off. */
void _gfortran_concat_string(size_t room, char *result, size_t first_length, const char *first,
                             size_t second_length, const char *second) {
  size_t part = first_length < room ? first_length : room;
  memcpy(result, first, part);
  result += part;
  room -= part;
  part = second_length < room ? second_length : room;
  memcpy(result, second, part);
  memset(result + part, ' ', room - part);
}

/* An array as gfortran passes it; only what ETIME needs is read. */
struct array {
  float *data;
  ptrdiff_t offset;
  struct {
    size_t bytes;
    int version;
    signed char rank;
    signed char type;
    signed short attribute;
  } kind;
  ptrdiff_t span;
  struct {
    ptrdiff_t stride, lower, upper;
  } dimension[1];
};

static float seconds(struct timeval time) { return (float)time.tv_sec + (float)time.tv_usec * 1e-6F; }

/* CPU seconds of this process: user's and system's into the array; gives their sum. */
float _gfortran_etime(struct array *times) {
  struct rusage usage;
  float user = -1.0F, system = -1.0F, both = -1.0F;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    user = seconds(usage.ru_utime);
    system = seconds(usage.ru_stime);
    both = user + system;
  }
  times->data[0] = user;
  times->data[times->dimension[0].stride] = system;
  return both;
}

#pragma GCC visibility pop
