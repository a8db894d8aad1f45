/* proof_enter.S: the entry point of the library as a program (proof_main.h). The stack is as the system has made it: the
 * number of arguments on top, then the arguments (System V ABI, AMD64 supplement, "Process Initialization"). */
    .text
    .globl vs_proof_enter
    .hidden vs_proof_enter
    .type vs_proof_enter, @function
vs_proof_enter:
    .cfi_startproc
    .cfi_undefined %rip
    xorl %ebp, %ebp
    movq (%rsp), %rbx
    leaq 8(%rsp), %r12
    andq $-16, %rsp
#ifdef __SANITIZE_THREAD__
    call __tsan_init@PLT /* as this object's constructors would */
#endif
    movq %rbx, %rdi
    movq %r12, %rsi
    call vs_proof_main
    hlt
    .cfi_endproc
    .size vs_proof_enter, . - vs_proof_enter
    .section .note.GNU-stack, "", @progbits
