/* dispatch_entries.S: libcudnn.so.9's functions. Each passes its sub-library and its own name to dnn_dispatch and goes on
 * to the function found there, with the caller's arguments untouched (System V x86-64: six integers, eight vectors).
 * In assembly because the signatures of most are of no interest here. */
#include "dispatch.h"

    .text
#define X(library, name)                                                                                               \
    .globl name;                                                                                                       \
    .type name, @function;                                                                                             \
    name:                                                                                                              \
    mov $SUBLIBRARY_NUMBER_##library, %eax;                                                                            \
    lea .Ltext_##name(%rip), %r11;                                                                                     \
    jmp dispatch;                                                                                                      \
    .size name, . - name;                                                                                              \
    .pushsection .rodata.str1.1, "aMS", @progbits, 1;                                                                  \
    .Ltext_##name:                                                                                                     \
    .string #name;                                                                                                     \
    .popsection;
#include "cudnn_names.def"

    .type dispatch, @function
dispatch:
    .cfi_startproc
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    and $-16, %rsp
    sub $176, %rsp
    mov %rdi, 0(%rsp)
    mov %rsi, 8(%rsp)
    mov %rdx, 16(%rsp)
    mov %rcx, 24(%rsp)
    mov %r8, 32(%rsp)
    mov %r9, 40(%rsp)
    movups %xmm0, 48(%rsp)
    movups %xmm1, 64(%rsp)
    movups %xmm2, 80(%rsp)
    movups %xmm3, 96(%rsp)
    movups %xmm4, 112(%rsp)
    movups %xmm5, 128(%rsp)
    movups %xmm6, 144(%rsp)
    movups %xmm7, 160(%rsp)
    mov %eax, %edi
    mov %r11, %rsi
    call dnn_dispatch
    mov %rax, %r11
    mov 0(%rsp), %rdi
    mov 8(%rsp), %rsi
    mov 16(%rsp), %rdx
    mov 24(%rsp), %rcx
    mov 32(%rsp), %r8
    mov 40(%rsp), %r9
    movups 48(%rsp), %xmm0
    movups 64(%rsp), %xmm1
    movups 80(%rsp), %xmm2
    movups 96(%rsp), %xmm3
    movups 112(%rsp), %xmm4
    movups 128(%rsp), %xmm5
    movups 144(%rsp), %xmm6
    movups 160(%rsp), %xmm7
    mov %rbp, %rsp
    pop %rbp
    .cfi_def_cfa %rsp, 8
    jmp *%r11
    .cfi_endproc
    .size dispatch, . - dispatch
    .section .note.GNU-stack, "", @progbits
