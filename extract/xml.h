/* xml.h: XML in pieces, by expat, with its namespaces taken off.
 *
 * Elements nested too deeply, entities that swell and whatever else is aimed at the
 * reader end the process with a line of its own (emit_fail). */
#ifndef TIDEMARK_EXTRACT_XML_H
#define TIDEMARK_EXTRACT_XML_H

#include <stdbool.h>
#include <stddef.h>

struct xml;

struct xml_handlers {
    /* `name` is local, `space` its namespace or "". */
    void (*start)(void *context, const char *space, const char *name, const char **attributes);
    void (*end)(void *context, const char *name);
    void (*text)(void *context, const char *text, size_t size); /* may be NULL */
    void *context;
};

struct xml *xml_new(const struct xml_handlers *handlers);
/* Frees those that emit_fail left behind, where the process goes on after it: for
 * fuzzing. */
void xml_free_all(void);

void xml_free(struct xml *xml);

/* False when it is not well-formed. `last`: nothing comes after. */
bool xml_feed(struct xml *xml, const char *bytes, size_t size, bool last);

/* An entity was named that the text does not declare. */
bool xml_has_unknown_entities(const struct xml *xml);

/* Lines passed so far. */
size_t xml_line(const struct xml *xml);
const char *xml_problem(const struct xml *xml);

/* The value of an attribute: "name" without a namespace, ":name" in any; or NULL. */
const char *xml_attribute(const char **attributes, const char *name);

#endif
