/* amx_table.c: the level's table. */
#include "kernels/x86/amx.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/vnni.h"

const struct kernels levels_amx = {
    .name = "amx",
    .revision = 2,
    .rounds = true,
    .pass_rows = 1024,
    .product_rows = LEVELS_BF16_ROWS,
    .packs = vnni_packs,
    .pack_pass = amx_pack_pass,
    .packed_from = amx_packed_from,
    .pack = amx_pack,
    .pack_row = amx_pack_row,
    .prefill_matmul = amx_prefill_matmul,
    .decode_matmul = amx_decode_matmul,
    .decode_matmul_ahead = amx_decode_matmul_ahead,
    .rms_norm = avx512_rms_norm,
    .conv_silu = avx512_conv_silu,
    .scan = avx512_scan,
    .row = avx512_row,
    .sum_exp = avx512_sum_exp,
};
