/* resolve_enter.S: from a thunk to vs_resolve and on to the function it names, with the caller's arguments untouched.
 *
 * On entry the stack holds the entry's index and the caller's return address. All argument registers of the System V
 * x86-64 ABI are kept: six integers, eight vectors, and rax (the number of vectors in a variadic call: open).
 */
    .text
    .globl vs_resolve_enter
    .hidden vs_resolve_enter
    .type vs_resolve_enter, @function
vs_resolve_enter:
    .cfi_startproc
    .cfi_adjust_cfa_offset 8
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    and $-16, %rsp
    sub $192, %rsp
    mov %rdi, 0(%rsp)
    mov %rsi, 8(%rsp)
    mov %rdx, 16(%rsp)
    mov %rcx, 24(%rsp)
    mov %r8, 32(%rsp)
    mov %r9, 40(%rsp)
    mov %rax, 48(%rsp)
    movups %xmm0, 64(%rsp)
    movups %xmm1, 80(%rsp)
    movups %xmm2, 96(%rsp)
    movups %xmm3, 112(%rsp)
    movups %xmm4, 128(%rsp)
    movups %xmm5, 144(%rsp)
    movups %xmm6, 160(%rsp)
    movups %xmm7, 176(%rsp)
    mov 8(%rbp), %rdi
    call vs_resolve
    mov %rax, %r11
    mov 0(%rsp), %rdi
    mov 8(%rsp), %rsi
    mov 16(%rsp), %rdx
    mov 24(%rsp), %rcx
    mov 32(%rsp), %r8
    mov 40(%rsp), %r9
    mov 48(%rsp), %rax
    movups 64(%rsp), %xmm0
    movups 80(%rsp), %xmm1
    movups 96(%rsp), %xmm2
    movups 112(%rsp), %xmm3
    movups 128(%rsp), %xmm4
    movups 144(%rsp), %xmm5
    movups 160(%rsp), %xmm6
    movups 176(%rsp), %xmm7
    mov %rbp, %rsp
    pop %rbp
    .cfi_def_cfa %rsp, 16
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    jmp *%r11
    .cfi_endproc
    .size vs_resolve_enter, .-vs_resolve_enter
    .section .note.GNU-stack, "", @progbits
