#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *buffer, size_t more, struct error *error)
{
    if (more >= SIZE_MAX / 2 - buffer->size)
        return error_out_of_memory(error);
    size_t need = buffer->size + more + 1;
    if (need <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return error_out_of_memory(error);
    data[buffer->size] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t size, struct error *error)
{
    if (!buffer_reserve(buffer, size, error))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return true;
}

bool buffer_append_text(struct buffer *buffer, const char *text, struct error *error)
{
    return buffer_append(buffer, text, strlen(text), error);
}

bool buffer_append_byte(struct buffer *buffer, char byte, struct error *error)
{
    return buffer_append(buffer, &byte, 1, error);
}

bool buffer_append_format(struct buffer *buffer, struct error *error, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    bool ok = length >= 0 && buffer_reserve(buffer, (size_t)length, error);
    if (ok) {
        vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
    return ok;
}

bool buffer_append_varint(struct buffer *buffer, unsigned long long value, struct error *error)
{
    while (value >= 0x80) {
        if (!buffer_append_byte(buffer, (char)(value | 0x80), error))
            return false;
        value >>= 7;
    }
    return buffer_append_byte(buffer, (char)value, error);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
