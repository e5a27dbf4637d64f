/* commands.h: one function a command. Each prints for itself and returns the
 * program's exit code. */
#ifndef TIDEMARK_APP_COMMANDS_COMMANDS_H
#define TIDEMARK_APP_COMMANDS_COMMANDS_H

#include "app/options.h"

int open_run(const struct options *options);
int read_run(const struct options *options);
int ls_run(const struct options *options);
int show_run(const struct options *options);
int ask_run(const struct options *options);
int sum_run(const struct options *options);
int rm_run(const struct options *options);
int model_run(const struct options *options);
int bench_run(const struct options *options);
int doctor_run(const struct options *options);
int completions_run(const struct options *options);
int text_run(const struct options *options);
int export_run(const struct options *options);
int verify_run(const struct options *options);
int gc_run(const struct options *options);
int backup_run(const struct options *options);
int restore_run(const struct options *options);
int eval_run(const struct options *options);

#endif
