/* loader.S: dlsym and dlopen, the two functions of the loader that a program may reach CUDA by.
 *
 * Both ask who calls them: RTLD_NEXT and RTLD_DEFAULT mean the caller's, and so do run paths. A wrapper in C keeps the
 * caller's return address only where the compiler makes a jump of its last call, which it does not at -O0 and under
 * ThreadSanitizer. So what is none of ours is passed on from here by a jump, all as it came.
 *
 *     dlsym     goes to vs_dlsym_answer (look_up.c) where a handle is asked for a name of the driver's: "cu" and a capital.
 *               Names of the runtime, cuBLAS, cuDNN go on in small letters; cuDNN's dispatcher, which looks up its own
 *               names in its parts, must find those.
 *     dlopen    shows vs_deep_bound (deep_bind.c) what is opened with RTLD_DEEPBIND.
 *
 * The symbols have no version, so that they stand in for those of both: dlsym@GLIBC_2.2.5 and dlsym@GLIBC_2.34, where libdl
 * became part of libc. The real ones are found at the first call, which may come before any constructor, a sanitizer's
 * too, and before memory can be allocated: dlvsym does not allocate where it finds.
 */
#define RTLD_DEEPBIND 8

    .hidden vs_dlsym_answers
    .hidden vs_dlsym_answer
    .hidden vs_deep_bound
    .text

/* The real function behind NAME in %rax. All arguments, two at most, are kept; the stack is as at the function's entry. */
.macro real name
    mov vs_real_of_\name(%rip), %rax
    test %rax, %rax
    jnz 1f
    lea name_of_\name(%rip), %rax
    call find_real
    mov %rax, vs_real_of_\name(%rip)
1:
.endm

/* %rax: a name. The newer version is asked first: where it is there, the older one is the same function. */
    .type find_real, @function
find_real:
    .cfi_startproc
    push %rdi
    .cfi_adjust_cfa_offset 8
    push %rsi
    .cfi_adjust_cfa_offset 8
    push %rax
    .cfi_adjust_cfa_offset 8
    mov $-1, %rdi /* RTLD_NEXT: behind this library */
    mov %rax, %rsi
    lea newer(%rip), %rdx
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    call dlvsym@PLT
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    test %rax, %rax
    jnz 1f
    mov $-1, %rdi
    mov (%rsp), %rsi
    lea older(%rip), %rdx
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    call dlvsym@PLT
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
1:
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    pop %rsi
    .cfi_adjust_cfa_offset -8
    pop %rdi
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size find_real, .-find_real

    .p2align 4
    .globl dlsym
    .type dlsym, @function
dlsym:
    .cfi_startproc
    endbr64
    real dlsym
    cmpb $0, vs_dlsym_answers(%rip)
    je .Lpass_symbol
    lea 1(%rdi), %rcx
    cmp $1, %rcx /* RTLD_NEXT is -1, RTLD_DEFAULT 0 */
    jbe .Lpass_symbol
    cmpb $'c', (%rsi)
    jne .Lpass_symbol
    cmpb $'u', 1(%rsi)
    jne .Lpass_symbol
    movzbl 2(%rsi), %ecx
    sub $'A', %ecx
    cmp $('Z' - 'A'), %ecx
    jbe vs_dlsym_answer
.Lpass_symbol:
    jmp *%rax
    .cfi_endproc
    .size dlsym, .-dlsym

    .p2align 4
    .globl dlopen
    .type dlopen, @function
dlopen:
    .cfi_startproc
    endbr64
    real dlopen
    test $RTLD_DEEPBIND, %esi
    jz .Lpass_library
    push %rdi
    .cfi_adjust_cfa_offset 8
    push %rsi
    .cfi_adjust_cfa_offset 8
    push %rax
    .cfi_adjust_cfa_offset 8
    call vs_deep_bound
    pop %rax
    .cfi_adjust_cfa_offset -8
    pop %rsi
    .cfi_adjust_cfa_offset -8
    pop %rdi
    .cfi_adjust_cfa_offset -8
.Lpass_library:
    jmp *%rax
    .cfi_endproc
    .size dlopen, .-dlopen

/* void *vs_real_dlsym(void *handle, const char *name): the library's own way past all that. */
    .p2align 4
    .globl vs_real_dlsym
    .hidden vs_real_dlsym
    .type vs_real_dlsym, @function
vs_real_dlsym:
    .cfi_startproc
    endbr64
    real dlsym
    jmp *%rax
    .cfi_endproc
    .size vs_real_dlsym, .-vs_real_dlsym

    .section .rodata
name_of_dlsym:
    .string "dlsym"
name_of_dlopen:
    .string "dlopen"
newer:
    .string "GLIBC_2.34"
older:
    .string "GLIBC_2.2.5"

    .bss
    .p2align 3
vs_real_of_dlsym:
    .quad 0
vs_real_of_dlopen:
    .quad 0
    .section .note.GNU-stack, "", @progbits
