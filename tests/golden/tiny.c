/* tiny falcon|mamba OUT.gguf: writes one of the small models of tests/support/tiny_model.h,
 * for tests that need a model which is read in no time. */
#include "tests/support/tiny_model.h"

int main(int argc, char **argv)
{
    bool falcon = argc == 3 && strcmp(argv[1], "falcon") == 0;
    if (!falcon && (argc != 3 || strcmp(argv[1], "mamba") != 0)) {
        fprintf(stderr, "usage: tiny falcon|mamba OUT.gguf\n");
        return ERROR_USAGE;
    }
    tiny_model_save(argv[2], falcon ? TINY_MODEL_FALCON : TINY_MODEL_MAMBA);
    return 0;
}
