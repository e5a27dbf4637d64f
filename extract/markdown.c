#include "extract/markdown.h"

#include "document/marking.h"
#include "extract/sandbox.h"

#include <errno.h>
#include <md4c.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* md4c may say more than it was given, as for rows that lack their cells. */
enum { CALLS_PER_BYTE = 4, CALLS_FREE = 65536 };

struct piece {
    unsigned char *roles;
    const char *text;
    size_t size, calls;
    unsigned containers; /* lists and quotes around */
    unsigned place;      /* of a role: level of a heading, cell */
    unsigned pictures;
    bool code, html;
};

static bool is_container(MD_BLOCKTYPE type)
{
    return type == MD_BLOCK_QUOTE || type == MD_BLOCK_UL || type == MD_BLOCK_OL;
}

static int count(struct piece *piece)
{
    return ++piece->calls > piece->size * CALLS_PER_BYTE + CALLS_FREE;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *context)
{
    struct piece *piece = context;
    piece->containers += is_container(type);
    piece->code = type == MD_BLOCK_CODE;
    piece->html = type == MD_BLOCK_HTML;
    piece->place = 0;
    /* A heading within a list or a quotation is none of the document's. */
    if (type == MD_BLOCK_H && piece->containers == 0)
        piece->place = ((MD_BLOCK_H_DETAIL *)detail)->level;
    if (type == MD_BLOCK_TH || type == MD_BLOCK_TD)
        piece->place = MARKING_CELL;
    return count(piece);
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *context)
{
    struct piece *piece = context;
    (void)detail;
    piece->containers -= is_container(type);
    piece->code = piece->html = false;
    piece->place = 0;
    return count(piece);
}

static int enter_span(MD_SPANTYPE type, void *detail, void *context)
{
    struct piece *piece = context;
    (void)detail;
    piece->pictures += type == MD_SPAN_IMG;
    return count(piece);
}

static int leave_span(MD_SPANTYPE type, void *detail, void *context)
{
    struct piece *piece = context;
    (void)detail;
    piece->pictures -= type == MD_SPAN_IMG;
    return count(piece);
}

static enum marking_kind kind_of(const struct piece *piece, MD_TEXTTYPE type)
{
    if (piece->code)
        return MARKING_CODE;
    if (piece->html)
        return MARKING_HTML;
    return type == MD_TEXT_ENTITY ? MARKING_ENTITY
           : type == MD_TEXT_HTML ? MARKING_TAG
                                  : MARKING_TEXT;
}

/* Line ends and the blanks of code come from md4c's own memory; the rest is of the piece. */
static int take_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *context)
{
    struct piece *piece = context;
    if (text < piece->text || text > piece->text + piece->size ||
        size > (size_t)(piece->text + piece->size - text))
        return count(piece);
    unsigned role = (unsigned)kind_of(piece, type) | piece->place << 4 |
                    (piece->pictures > 0 ? MARKING_IMAGE : 0u);
    memset(piece->roles + (text - piece->text), (int)role, size);
    return count(piece);
}

bool markdown_mark(unsigned char *roles, const char *text, size_t size)
{
    const MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS,
        .enter_block = enter_block,
        .leave_block = leave_block,
        .enter_span = enter_span,
        .leave_span = leave_span,
        .text = take_text,
    };
    struct piece piece = {.roles = roles, .text = text, .size = size};
    memset(roles, MARKING_NONE, size);
    return md_parse(text, (MD_SIZE)size, &parser, &piece) == 0;
}

static bool take(void *bytes, size_t size)
{
    for (char *at = bytes; size > 0;) {
        ssize_t got = read(STDIN_FILENO, at, size);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static void give(const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t put = write(STDOUT_FILENO, at, size);
        if (put < 0 && errno != EINTR)
            _exit(1); /* nobody reads any more */
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
}

void markdown_serve(void)
{
    unsigned char head[MARKING_HEAD];
    while (take(head, sizeof head)) {
        size_t size = 0;
        for (int i = MARKING_HEAD; i-- > 0;)
            size = size << 8 | head[i];
        if (size == 0 || size > MARKING_MOST)
            _exit(3);
        char *text = malloc(size);
        unsigned char *roles = malloc(size);
        if (!text || !roles || !take(text, size))
            _exit(3);
        bool done = markdown_mark(roles, text, size);
        if (!done)
            memset(head, 0, sizeof head);
        give(head, sizeof head);
        if (done)
            give(roles, size);
        free(text);
        free(roles);
        sandbox_step();
    }
    _exit(0);
}
