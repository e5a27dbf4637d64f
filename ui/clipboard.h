/* clipboard.h: text for the clipboard: as a terminal takes it (OSC 52, xterm's "ctlseqs"),
 * and to the programs of a desktop. */
#ifndef TIDEMARK_UI_CLIPBOARD_H
#define TIDEMARK_UI_CLIPBOARD_H

#include "base/buffer.h"

/* Appends the control sequence that asks a terminal to keep the text. */
bool clipboard_sequence(struct buffer *out, const char *text, size_t size,
                        struct error *error) WARN_UNUSED;

/* Gives the text to wl-copy (with WAYLAND_DISPLAY) or else xclip (with DISPLAY). Takes a
 * fifth of a second at most. The name of the one that took all of it, or NULL. */
const char *clipboard_offer(const char *text, size_t size);

#endif
