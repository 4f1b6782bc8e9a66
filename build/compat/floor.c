/* Functions of a newer glibc, made of older ones, so that what was compiled against the newer
   headers runs on the older library. Since glibc 2.38 its headers send strtol and its like to
   names of their own, which also read C23's binary numbers; here they read what they read before.

   No header of the C library is included: it would send the calls below back here. */

typedef __builtin_va_list arguments;

long old_strtol(const char *, char **, int) __asm__("strtol");
unsigned long old_strtoul(const char *, char **, int) __asm__("strtoul");
long long old_strtoll(const char *, char **, int) __asm__("strtoll");
unsigned long long old_strtoull(const char *, char **, int) __asm__("strtoull");
int old_vsscanf(const char *, const char *, arguments) __asm__("__isoc99_vsscanf");
int old_vfscanf(void *, const char *, arguments) __asm__("__isoc99_vfscanf");

long __isoc23_strtol(const char *text, char **end, int base) { return old_strtol(text, end, base); }

unsigned long __isoc23_strtoul(const char *text, char **end, int base) {
  return old_strtoul(text, end, base);
}

long long __isoc23_strtoll(const char *text, char **end, int base) {
  return old_strtoll(text, end, base);
}

unsigned long long __isoc23_strtoull(const char *text, char **end, int base) {
  return old_strtoull(text, end, base);
}

int __isoc23_vfscanf(void *stream, const char *format, arguments list) {
  return old_vfscanf(stream, format, list);
}

int __isoc23_fscanf(void *stream, const char *format, ...) {
  arguments list;
  __builtin_va_start(list, format);
  int read = old_vfscanf(stream, format, list);
  __builtin_va_end(list);
  return read;
}

int __isoc23_sscanf(const char *text, const char *format, ...) {
  arguments list;
  __builtin_va_start(list, format);
  int read = old_vsscanf(text, format, list);
  __builtin_va_end(list);
  return read;
}
