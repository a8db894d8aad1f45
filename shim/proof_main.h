/* proof_main.h: the library as a program: `ld.so libvramspan.so --prove ...` (proof_child.h). */
#ifndef VS_PROOF_MAIN_H
#define VS_PROOF_MAIN_H

/* Where the dynamic loader begins, once everything is relocated; this object's constructors have not run then. */
__attribute__((noreturn)) void vs_proof_main(int argc, char **argv);

#endif
