#include "document/wire.h"

static uint64_t number_at(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static void put_number(unsigned char *bytes, int count, uint64_t value)
{
    for (int i = 0; i < count; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

enum wire_status wire_parse(struct wire_frame *frame, const char *bytes, size_t size)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (size < WIRE_HEAD)
        return WIRE_MORE;
    if (head[0] < WIRE_HEADING || head[0] > WIRE_FAILED || head[3] != 0 ||
        (head[2] & ~(WIRE_CONTINUES | WIRE_TIGHT)) != 0)
        return WIRE_BROKEN;
    *frame = (struct wire_frame){
        .kind = (enum wire_kind)head[0],
        .level = head[1],
        .flags = head[2],
        .size = (uint32_t)number_at(head + 4, 4),
        .number = number_at(head + 8, 8),
        .bytes = bytes + WIRE_HEAD,
    };
    if (frame->size > WIRE_PAYLOAD)
        return WIRE_BROKEN;
    return size - WIRE_HEAD < frame->size ? WIRE_MORE : WIRE_COMPLETE;
}

void wire_head(unsigned char head[WIRE_HEAD], const struct wire_frame *frame)
{
    head[0] = (unsigned char)frame->kind;
    head[1] = (unsigned char)frame->level;
    head[2] = (unsigned char)frame->flags;
    head[3] = 0;
    put_number(head + 4, 4, frame->size);
    put_number(head + 8, 8, frame->number);
}
