#include "convert/importance.h"

#include <stdio.h>
#include <stdlib.h>

/* One matrix of the model. */
struct input {
    char name[PLAN_NAME_SIZE];
    const unsigned char *data; /* of the matrix: tells it from others */
    size_t columns;
    double *squares; /* [columns], sums */
    float *means;    /* [columns] */
    uint64_t rows;
};

struct importance {
    struct input *inputs; /* [count]; four a layer, then the output */
    size_t count;
};

static bool add_input(struct importance *importance, const struct matrix *matrix, const char *name,
                      struct error *error)
{
    struct input *input = &importance->inputs[importance->count++];
    snprintf(input->name, sizeof input->name, "%s", name);
    input->data = matrix->data;
    input->columns = matrix->columns;
    input->squares = calloc(matrix->columns, sizeof *input->squares);
    input->means = calloc(matrix->columns, sizeof *input->means);
    return (input->squares && input->means) || error_out_of_memory(error);
}

static bool add_inputs(struct importance *importance, const struct model *model,
                       struct error *error)
{
    for (size_t i = 0; i < model->shape.layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        const struct {
            const struct matrix *matrix;
            const char *name;
        } matrices[] = {{&layer->in, "ssm_in"},
                        {&layer->x, "ssm_x"},
                        {&layer->dt, "ssm_dt"},
                        {&layer->out, "ssm_out"}};
        for (size_t j = 0; j < sizeof matrices / sizeof *matrices; j++) {
            char name[PLAN_NAME_SIZE];
            snprintf(name, sizeof name, "blk.%zu.%s.weight", i, matrices[j].name);
            if (!add_input(importance, matrices[j].matrix, name, error))
                return false;
        }
    }
    bool tied = model->output.data == model->embedding.data;
    return add_input(importance, &model->output, tied ? "token_embd.weight" : "output.weight",
                     error);
}

struct importance *importance_new(const struct model *model, struct error *error)
{
    struct importance *importance = calloc(1, sizeof *importance);
    struct input *inputs = calloc(4 * model->shape.layers + 1, sizeof *inputs);
    if (!importance || !inputs) {
        free(importance);
        free(inputs);
        error_out_of_memory(error);
        return NULL;
    }
    importance->inputs = inputs;
    if (add_inputs(importance, model, error))
        return importance;
    importance_free(importance);
    return NULL;
}

void importance_free(struct importance *importance)
{
    if (!importance)
        return;
    for (size_t i = 0; i < importance->count; i++) {
        free(importance->inputs[i].squares);
        free(importance->inputs[i].means);
    }
    free(importance->inputs);
    free(importance);
}

static void take(void *context, const struct matrix *matrix, const float *x, size_t stride,
                 size_t rows)
{
    struct importance *importance = context;
    for (size_t i = 0; i < importance->count; i++) {
        struct input *input = &importance->inputs[i];
        if (input->data != matrix->data)
            continue;
        for (size_t row = 0; row < rows; row++)
            for (size_t j = 0; j < input->columns; j++)
                input->squares[j] += (double)x[row * stride + j] * (double)x[row * stride + j];
        input->rows += rows;
        return;
    }
}

void importance_watch(struct importance *importance, struct forward *forward)
{
    forward_watch(forward, take, importance);
}

void importance_unwatch(struct importance *importance, struct forward *forward)
{
    (void)importance;
    forward_watch(forward, NULL, NULL);
}

void importance_apply(struct importance *importance, struct plan *plan)
{
    for (size_t i = 0; i < importance->count; i++) {
        struct input *input = &importance->inputs[i];
        struct plan_tensor *tensor = plan_find(plan, input->name);
        if (!tensor || input->rows == 0 || tensor->ne[0] != input->columns)
            continue;
        for (size_t j = 0; j < input->columns; j++)
            input->means[j] = (float)(input->squares[j] / (double)input->rows);
        tensor->importance = input->means;
    }
}
