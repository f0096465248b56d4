/* SPDX-License-Identifier: MIT
 *
 * The class of an AArch64 instruction, by the encoding groups of the "Arm Architecture Reference Manual for A-profile"
 * (DDI 0487, chapter C4). Bit 10 and up of a group's name are those of its encoding table there.
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H
#include <stdbool.h>
#include <stdint.h>

#define CLASSES(X) X(integer) X(branch) X(system) X(load) X(store) X(vector_load) X(vector_store) X(atomic_or_prefetch) \
    X(scalar_float) X(vector) X(fp64_multiply_add) X(fp32_multiply_add) X(fp16_multiply_add) X(integer_multiply) X(int8_dot) X(i8mm) X(bf16) \
    X(crypto) X(sve) X(sme)
#define AS_ENUM(name) C_##name,
#define AS_TEXT(name) #name,
enum insn_class { CLASSES(AS_ENUM) N_CLASSES };
static const char *const class_names[N_CLASSES] = {CLASSES(AS_TEXT)};

static inline unsigned bits(uint32_t word, int high, int low)
{
    return word >> low & ((2u << (high - low)) - 1);
}

static enum insn_class load_or_store(uint32_t w)
{
    bool vector = bits(w, 26, 26), load = bits(w, 22, 22);
    unsigned size = bits(w, 31, 30), opc = bits(w, 23, 22);
    switch (bits(w, 29, 27)) {
    case 1: /* exclusive, ordered, compare and swap; with V and bit 31 clear: structures (LD1 to ST4) */
        if (!vector)
            return C_atomic_or_prefetch;
        return load ? C_vector_load : C_vector_store;
    case 3: /* literal; else load-acquire and store-release without offset scaling, memory tags */
        if (bits(w, 25, 24) || (!vector && size == 3))
            return C_atomic_or_prefetch;
        return vector ? C_vector_load : C_load;
    case 5: /* pair */
        return load ? (vector ? C_vector_load : C_load) : (vector ? C_vector_store : C_store);
    case 7:
        if (vector)
            return load ? C_vector_load : C_vector_store;
        if (!bits(w, 24, 24) && bits(w, 21, 21) && !bits(w, 11, 10))
            return C_atomic_or_prefetch; /* LDADD, SWP ... */
        if (size == 3 && opc == 2)
            return C_atomic_or_prefetch; /* PRFM */
        return opc ? C_load : C_store;
    }
    return C_system;
}

static enum insn_class three_same_extra(uint32_t w)
{
    bool u = bits(w, 29, 29);
    switch (bits(w, 14, 11)) {
    case 2: return C_int8_dot;                 /* SDOT, UDOT */
    case 3: return u ? C_vector : C_int8_dot;  /* USDOT */
    case 4: case 5: return C_i8mm;             /* SMMLA, UMMLA, USMMLA */
    case 13: case 15: return u ? C_bf16 : C_vector;
    default: return C_vector;
    }
}

static enum insn_class three_same(uint32_t w)
{
    bool u = bits(w, 29, 29);
    switch (bits(w, 15, 11)) {
    case 18: case 19: return u && bits(w, 15, 11) == 19 ? C_vector : C_integer_multiply; /* MLA, MLS, MUL; PMUL */
    case 25: /* FMLA, FMLS; FMLAL2 */
        return u ? C_fp16_multiply_add : bits(w, 22, 22) ? C_fp64_multiply_add : C_fp32_multiply_add;
    case 29: return u ? C_vector : C_fp16_multiply_add;            /* FMLAL; FACGE */
    default: return C_vector;
    }
}

static enum insn_class by_element(uint32_t w)
{
    bool u = bits(w, 29, 29);
    unsigned size = bits(w, 23, 22);
    switch (bits(w, 15, 12)) {
    case 1: case 5: /* FMLA, FMLS; FCMLA */
        return u ? C_vector : size == 0 ? C_fp16_multiply_add : size == 3 ? C_fp64_multiply_add : C_fp32_multiply_add;
    case 0: case 4: return u ? C_integer_multiply : C_fp16_multiply_add;                         /* MLA, MLS; FMLAL */
    case 8: case 12: return u ? C_fp16_multiply_add : bits(w, 14, 14) ? C_vector : C_integer_multiply; /* FMLAL2; MUL */
    case 2: case 6: case 10: return C_integer_multiply;                                          /* MLAL, MLSL, MULL */
    case 3: case 7: case 11: return u ? C_vector : C_integer_multiply;                           /* SQDMLAL ... */
    case 14: return C_int8_dot;
    case 15: return u ? C_vector : size & 1 ? C_bf16 : C_int8_dot; /* BFDOT, BFMLAL; SUDOT, USDOT */
    default: return C_vector;
    }
}

static enum insn_class simd_or_float(uint32_t w)
{
    if (!bits(w, 30, 29) && bits(w, 28, 25) == 15)
        return C_scalar_float;
    if ((w & 0xff3e0c00u) == 0x4e280800u || (w & 0xff3e0c00u) == 0x5e280800u || (w & 0xff208c00u) == 0x5e000000u
        || bits(w, 31, 24) == 0xce)
        return C_crypto;
    if ((w & 0x9f208400u) == 0x0e008400u)
        return three_same_extra(w);
    if ((w & 0x9f200400u) == 0x0e200400u)
        return three_same(w);
    if ((w & 0x9f60c400u) == 0x0e400400u) /* three same, half precision: FMLA, FMLS */
        return !bits(w, 29, 29) && bits(w, 13, 11) == 1 ? C_fp16_multiply_add : C_vector;
    if ((w & 0x9f200c00u) == 0x0e200000u) /* three different: MLAL, MLSL, MULL, and the saturating ones */
        return bits(w, 15, 12) >= 8 && bits(w, 15, 12) <= 13 ? C_integer_multiply : C_vector;
    if ((w & 0x9f000400u) == 0x0f000000u)
        return by_element(w);
    return C_vector;
}

static enum insn_class classify(uint32_t w)
{
    unsigned group = bits(w, 28, 25);
    if (group == 0)
        return w >> 31 ? C_sme : C_system;
    if (group == 2)
        return C_sve;
    if (group == 8 || group == 9 || (group & 7) == 5)
        return C_integer;
    if (group == 10 || group == 11)
        return bits(w, 31, 25) == 0x6a ? C_system : C_branch;
    if ((group & 5) == 4)
        return load_or_store(w);
    if ((group & 7) == 7)
        return simd_or_float(w);
    return C_system;
}

static inline bool touches_memory(enum insn_class c)
{
    return c == C_load || c == C_store || c == C_vector_load || c == C_vector_store || c == C_atomic_or_prefetch
        || c == C_sve || c == C_sme;
}
#endif
