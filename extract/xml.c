#include "extract/xml.h"

#include "extract/emit.h"
#include "extract/flow.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR '\001'

struct xml {
    XML_Parser parser;
    struct xml *before; /* that was there already */
    struct xml_handlers handlers;
    size_t depth;
    bool unknown;
};

static struct xml *newest;

/* "space\1name" or "name". */
static const char *split(const char *full, char space[256])
{
    const char *at = strrchr(full, SEPARATOR);
    size_t size = at ? (size_t)(at - full) : 0;
    if (size > 255)
        size = 255;
    memcpy(space, full, size);
    space[size] = '\0';
    return at ? at + 1 : full;
}

static void on_start(void *context, const XML_Char *full, const XML_Char **attributes)
{
    struct xml *xml = context;
    char space[256];
    if (++xml->depth > FLOW_DEPTH_MOST)
        emit_fail("has elements nested more than %d deep, which no document has", FLOW_DEPTH_MOST);
    const char *name = split(full, space);
    xml->handlers.start(xml->handlers.context, space, name, attributes);
}

static void on_end(void *context, const XML_Char *full)
{
    struct xml *xml = context;
    char space[256];
    xml->depth--;
    xml->handlers.end(xml->handlers.context, split(full, space));
}

static void on_text(void *context, const XML_Char *text, int size)
{
    struct xml *xml = context;
    xml->handlers.text(xml->handlers.context, text, (size_t)size);
}

static void on_skipped(void *context, const XML_Char *name, int is_parameter)
{
    struct xml *xml = context;
    (void)name;
    xml->unknown = xml->unknown || !is_parameter;
}

struct xml *xml_new(const struct xml_handlers *handlers)
{
    struct xml *xml = calloc(1, sizeof *xml);
    if (xml)
        xml->parser = XML_ParserCreateNS(NULL, SEPARATOR);
    if (!xml || !xml->parser)
        emit_no_memory();
    xml->handlers = *handlers;
    xml->before = newest;
    newest = xml;
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetSkippedEntityHandler(xml->parser, on_skipped);
    XML_SetParamEntityParsing(xml->parser, XML_PARAM_ENTITY_PARSING_NEVER);
    if (handlers->text)
        XML_SetCharacterDataHandler(xml->parser, on_text);
    return xml;
}

void xml_free(struct xml *xml)
{
    if (!xml)
        return;
    for (struct xml **at = &newest; *at; at = &(*at)->before)
        if (*at == xml) {
            *at = xml->before;
            break;
        }
    XML_ParserFree(xml->parser);
    free(xml);
}

void xml_free_all(void)
{
    while (newest)
        xml_free(newest);
}

bool xml_feed(struct xml *xml, const char *bytes, size_t size, bool last)
{
    enum { STEP = 1 << 20 };
    size_t at = 0;
    do {
        size_t step = size - at < STEP ? size - at : STEP;
        bool end = last && at + step == size;
        if (XML_Parse(xml->parser, bytes + at, (int)step, end) != XML_STATUS_OK) {
            enum XML_Error problem = XML_GetErrorCode(xml->parser);
            if (problem == XML_ERROR_AMPLIFICATION_LIMIT_BREACH ||
                problem == XML_ERROR_RECURSIVE_ENTITY_REF)
                emit_fail("holds XML whose entities swell without end");
            if (problem == XML_ERROR_NO_MEMORY)
                emit_no_memory();
            return false;
        }
        at += step;
    } while (at < size);
    return true;
}

bool xml_has_unknown_entities(const struct xml *xml)
{
    return xml->unknown;
}

size_t xml_line(const struct xml *xml)
{
    return XML_GetCurrentLineNumber(xml->parser);
}

const char *xml_problem(const struct xml *xml)
{
    return XML_ErrorString(XML_GetErrorCode(xml->parser));
}

const char *xml_attribute(const char **attributes, const char *name)
{
    bool spaced = name[0] == ':';
    for (; attributes[0]; attributes += 2) {
        const char *at = strrchr(attributes[0], SEPARATOR);
        if (spaced ? at && strcmp(at + 1, name + 1) == 0 : strcmp(attributes[0], name) == 0)
            return attributes[1];
    }
    return NULL;
}
