/* by_type.h: one function for each type of weights. Private to kernels/.
 *
 *     WITH_TYPE(w->type, outputs_of, y, w, first, count);
 *
 * calls the always-inlined outputs_of(BLOCKS_Q4_K, y, w, first, count) for a matrix of Q4_K:
 * the type is a constant in it, and what it decides is decided by the compiler. */
#ifndef TIDEMARK_KERNELS_X86_BY_TYPE_H
#define TIDEMARK_KERNELS_X86_BY_TYPE_H

#define WITH_TYPE_CASE(constant, function, ...)                                                    \
    case constant:                                                                                 \
        function(constant, __VA_ARGS__);                                                           \
        break;

/* The types whose weights are integers in blocks with scales. */
#define WITH_TYPE_BLOCKS(...)                                                                      \
    WITH_TYPE_CASE(BLOCKS_Q4_0, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q5_0, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q5_1, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q8_0, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q4_K, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q5_K, __VA_ARGS__)                                                       \
    WITH_TYPE_CASE(BLOCKS_Q6_K, __VA_ARGS__)

#define WITH_TYPE(type, ...)                                                                       \
    do {                                                                                           \
        switch (type) {                                                                            \
            WITH_TYPE_CASE(BLOCKS_F32, __VA_ARGS__)                                                \
            WITH_TYPE_CASE(BLOCKS_F16, __VA_ARGS__)                                                \
            WITH_TYPE_CASE(BLOCKS_BF16, __VA_ARGS__)                                               \
            WITH_TYPE_BLOCKS(__VA_ARGS__)                                                          \
        case BLOCKS_TYPES:                                                                         \
            break;                                                                                 \
        }                                                                                          \
    } while (0)

/* Nothing for the types of plain numbers. */
#define WITH_BLOCK_TYPE(type, ...)                                                                 \
    do {                                                                                           \
        switch (type) {                                                                            \
            WITH_TYPE_BLOCKS(__VA_ARGS__)                                                          \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    } while (0)

#endif
