/* What libvgpu-isa.so offers to rocm_patch.isa (ctypes). Plain C; strings are UTF-8 and belong to the library.
 *
 * A text handed out lives until vgpu_isa_free. All functions may be called from several threads. */
#ifndef VGPU_ISA_AUDIT_CAPI_H
#define VGPU_ISA_AUDIT_CAPI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_ISA_API_VERSION 1

/* VGPU_ISA_API_VERSION of the library. */
uint32_t vgpu_isa_version(void);

/* JSON: [{"name", "source", "summary"}, ...] of the rules. */
char* vgpu_isa_rules(void);

/* JSON of the whole table: [{"op", "format", "opcode", "dst", "sdst", "src", "mem", "flags"}, ...]. */
char* vgpu_isa_table(void);

/* JSON of what was found in the machine code of one function:
 * {"instructions", "illegal", "mix": {kind: count}, "findings": [{"rule", "offset", "text"}],
 *  "loops": [{"first", "last", "inner", "instructions", "valu", "fma", "mix"}]}. `wave` is 32 or 64. */
char* vgpu_isa_audit(const void* code, size_t bytes, unsigned wave);

/* One line an instruction: "OFFSET LENGTH TEXT", offset in hexadecimal; "illegal" for what is none. */
char* vgpu_isa_disassemble(const void* code, size_t bytes, unsigned wave);

void vgpu_isa_free(char* text);

#ifdef __cplusplus
}
#endif

#endif
