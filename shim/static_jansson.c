/* static_jansson.c: lets Debian's libjansson.a be linked into a shared object.
 *
 * The archive is compiled for executables: json_loadf compares its argument with `stdin` through a relocation that a
 * shared object cannot have against glibc's variable. We never call json_loadf (headers are parsed from memory), so a
 * hidden variable of that name satisfies the linker. Nothing in this library may use stdin. */

extern struct _IO_FILE *stdin __attribute__((visibility("hidden")));
struct _IO_FILE *stdin;
