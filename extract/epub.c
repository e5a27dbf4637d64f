#include "extract/office.h"

#include "extract/archive.h"
#include "extract/emit.h"
#include "extract/html.h"
#include "extract/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ITEMS_MOST = 65536, LANDMARKS_MOST = 65536, TITLE_MOST = 500 };

struct item {
    char *id, *path;
};

struct landmark {
    char *path, *fragment, *title;
    unsigned level;
    size_t order;
};

static struct {
    char *folder; /* of the package's file, "" or with a slash at its end */
    char *package;
    struct item *items;
    size_t item_count;
    char **spine; /* ids */
    size_t spine_count;
    char *nav, *ncx;
    struct landmark *landmarks;
    size_t landmark_count;
    const char *path;  /* of the chapter that is read */
    bool has_headings; /* the chapter has */
} book;

static _Noreturn void out_of_memory(void)
{
    emit_no_memory();
}

static char *copy(const char *text)
{
    char *made = strdup(text ? text : "");
    if (!made)
        out_of_memory();
    return made;
}

static void *grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    void *more = realloc(array, (count ? count * 2 : 1) * size);
    if (!more)
        out_of_memory();
    return more;
}

/* --- names --------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static void decode_percents(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (text[0] == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0 &&
            (text[1] != '0' || text[2] != '0')) {
            *out++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

/* The archive's name for a reference in a file of `folder`; what follows # goes to
 * *fragment, which may be NULL. */
static char *resolve(const char *folder, const char *reference, char **fragment)
{
    size_t size = strlen(folder) + strlen(reference) + 1;
    char *path = malloc(size);
    if (!path)
        out_of_memory();
    const char *mark = strchr(reference, '#');
    size_t length = mark ? (size_t)(mark - reference) : strlen(reference);
    snprintf(path, size, "%s%.*s", folder, (int)length, reference);
    if (fragment)
        *fragment = copy(mark ? mark + 1 : "");
    decode_percents(path);
    /* a/b/../c is a/c. */
    char *out = path;
    for (char *at = path; *at;) {
        size_t part = strcspn(at, "/");
        bool slash = at[part] == '/';
        if (part == 2 && memcmp(at, "..", 2) == 0) {
            if (out > path)
                out--;
            while (out > path && out[-1] != '/')
                out--;
        } else if (!(part == 1 && at[0] == '.') && part > 0) {
            memmove(out, at, part + slash);
            out += part + slash;
        }
        at += part + slash;
    }
    *out = '\0';
    return path;
}

static char *folder_of(const char *path)
{
    char *folder = copy(path);
    char *slash = strrchr(folder, '/');
    folder[slash ? slash - folder + 1 : 0] = '\0';
    return folder;
}

/* --- package -------------------------------------------------------------------------- */

static void ignore_end(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static void parse(const char *path, const struct xml_handlers *handlers)
{
    size_t size;
    char *bytes = archive_read(path, &size);
    if (!bytes)
        emit_fail("is a damaged EPUB: %.100s is not in it", path);
    struct xml *xml = xml_new(handlers);
    if (!xml_feed(xml, bytes, size, true))
        emit_fail("is a damaged EPUB: %.100s, line %zu: %s", path, xml_line(xml), xml_problem(xml));
    xml_free(xml);
    free(bytes);
}

static void container_start(void *context, const char *space, const char *name,
                            const char **attributes)
{
    (void)context;
    (void)space;
    const char *path = xml_attribute(attributes, "full-path");
    if (strcmp(name, "rootfile") == 0 && path && !book.package)
        book.package = copy(path);
}

static void add_item(const char **attributes)
{
    const char *id = xml_attribute(attributes, "id"), *href = xml_attribute(attributes, "href");
    const char *properties = xml_attribute(attributes, "properties");
    if (!id || !href)
        return;
    if (book.item_count == ITEMS_MOST)
        emit_fail("is an EPUB of more than %d files", ITEMS_MOST);
    book.items = grown(book.items, book.item_count, sizeof *book.items);
    struct item *item = &book.items[book.item_count++];
    *item = (struct item){copy(id), resolve(book.folder, href, NULL)};
    if (properties && strstr(properties, "nav") && !book.nav)
        book.nav = item->path;
    const char *type = xml_attribute(attributes, "media-type");
    if (type && strcmp(type, "application/x-dtbncx+xml") == 0)
        book.ncx = item->path;
}

static void package_start(void *context, const char *space, const char *name,
                          const char **attributes)
{
    (void)context;
    (void)space;
    const char *id = xml_attribute(attributes, "idref");
    if (strcmp(name, "item") == 0) {
        add_item(attributes);
    } else if (strcmp(name, "itemref") == 0 && id) {
        if (book.spine_count == ITEMS_MOST)
            emit_fail("is an EPUB of more than %d chapters", ITEMS_MOST);
        book.spine = grown(book.spine, book.spine_count, sizeof *book.spine);
        book.spine[book.spine_count++] = copy(id);
    }
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->id, ((const struct item *)b)->id);
}

/* --- navigation ---------------------------------------------------------------------- */

struct navigation {
    const char *folder;
    bool ncx;
    unsigned depth, toc; /* lists, or points, that are open; the element of the contents */
    bool in_label;
    char title[TITLE_MOST + 1];
    size_t size;
    char *target;
};

static void put_title(struct navigation *nav, const char *text, size_t size)
{
    for (size_t i = 0; i < size && nav->size < TITLE_MOST; i++) {
        bool blank = strchr(" \t\r\n", text[i]) != NULL;
        if (!blank)
            nav->title[nav->size++] = text[i];
        else if (nav->size > 0 && nav->title[nav->size - 1] != ' ')
            nav->title[nav->size++] = ' ';
    }
}

static void add_landmark(struct navigation *nav, const char *target)
{
    nav->title[nav->size] = '\0';
    while (nav->size > 0 && nav->title[nav->size - 1] == ' ')
        nav->title[--nav->size] = '\0';
    if (nav->size > 0 && target && nav->depth > 0) {
        if (book.landmark_count == LANDMARKS_MOST)
            emit_fail("is an EPUB whose contents have more than %d entries", LANDMARKS_MOST);
        book.landmarks = grown(book.landmarks, book.landmark_count, sizeof *book.landmarks);
        struct landmark *mark = &book.landmarks[book.landmark_count];
        *mark = (struct landmark){.title = copy(nav->title),
                                  .level = nav->depth < 32 ? nav->depth : 32,
                                  .order = book.landmark_count};
        mark->path = resolve(nav->folder, target, &mark->fragment);
        book.landmark_count++;
    }
    nav->size = 0;
}

static void nav_start(void *context, const char *space, const char *name, const char **attributes)
{
    struct navigation *nav = context;
    (void)space;
    const char *type = xml_attribute(attributes, ":type");
    if (strcmp(name, "nav") == 0)
        nav->toc = type && strcmp(type, "toc") == 0;
    else if (!nav->toc)
        return;
    else if (strcmp(name, "ol") == 0)
        nav->depth++;
    else if (strcmp(name, "a") == 0) {
        const char *href = xml_attribute(attributes, "href");
        free(nav->target);
        nav->target = href ? copy(href) : NULL;
        nav->in_label = true;
        nav->size = 0;
    }
}

static void nav_end(void *context, const char *name)
{
    struct navigation *nav = context;
    if (strcmp(name, "nav") == 0)
        nav->toc = 0;
    else if (nav->toc && strcmp(name, "ol") == 0 && nav->depth > 0)
        nav->depth--;
    else if (nav->in_label && strcmp(name, "a") == 0) {
        nav->in_label = false;
        add_landmark(nav, nav->target);
    }
}

static void nav_text(void *context, const char *text, size_t size)
{
    struct navigation *nav = context;
    if (nav->in_label)
        put_title(nav, text, size);
}

static void ncx_start(void *context, const char *space, const char *name, const char **attributes)
{
    struct navigation *nav = context;
    (void)space;
    if (strcmp(name, "navPoint") == 0) {
        nav->depth++;
        nav->size = 0;
    } else if (strcmp(name, "text") == 0) {
        nav->in_label = nav->depth > 0;
    } else if (strcmp(name, "content") == 0) {
        add_landmark(nav, xml_attribute(attributes, "src"));
    }
}

static void ncx_end(void *context, const char *name)
{
    struct navigation *nav = context;
    if (strcmp(name, "navPoint") == 0 && nav->depth > 0)
        nav->depth--;
    else if (strcmp(name, "text") == 0)
        nav->in_label = false;
}

static int by_place(const void *a, const void *b)
{
    const struct landmark *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    if (order == 0)
        order = strcmp(x->fragment, y->fragment);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static void read_navigation(void)
{
    const char *path = book.nav ? book.nav : book.ncx;
    if (!path || !archive_has(path))
        return;
    char *folder = folder_of(path);
    struct navigation nav = {.folder = folder, .ncx = !book.nav};
    struct xml_handlers handlers = {.start = nav.ncx ? ncx_start : nav_start,
                                    .end = nav.ncx ? ncx_end : nav_end,
                                    .text = nav_text,
                                    .context = &nav};
    size_t size;
    char *bytes = archive_read(path, &size);
    struct xml *xml = xml_new(&handlers);
    /* A book can be read without its contents: what comes before the damage counts. */
    if (!xml_feed(xml, bytes, size, true))
        book.nav = book.ncx = NULL;
    xml_free(xml);
    free(bytes);
    free(folder);
    free(nav.target);
    if (book.landmark_count > 0)
        qsort(book.landmarks, book.landmark_count, sizeof *book.landmarks, by_place);
}

static unsigned landmark(void *context, const char *id, const char **title)
{
    (void)context;
    size_t low = 0, high = book.landmark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(book.landmarks[middle].path, book.path);
        if (order == 0)
            order = strcmp(book.landmarks[middle].fragment, id);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == book.landmark_count || strcmp(book.landmarks[low].path, book.path) != 0 ||
        strcmp(book.landmarks[low].fragment, id) != 0)
        return 0;
    *title = book.has_headings ? NULL : book.landmarks[low].title;
    return book.landmarks[low].level;
}

/* --- chapters -------------------------------------------------------------------------- */

static const char *attribute_of(void *context, const char *name)
{
    const char *colon = strchr(name, ':');
    return xml_attribute(context, colon ? colon : name);
}

static struct xml *chapter_xml;

static void chapter_start(void *context, const char *space, const char *name,
                          const char **attributes)
{
    (void)context;
    (void)space;
    emit_line(xml_line(chapter_xml));
    flow_open(name, attribute_of, attributes);
}

static void chapter_end(void *context, const char *name)
{
    (void)context;
    (void)name;
    flow_close();
}

static void chapter_text(void *context, const char *text, size_t size)
{
    (void)context;
    flow_text(text, size);
}

static void ignore_start(void *context, const char *space, const char *name,
                         const char **attributes)
{
    (void)context;
    (void)space;
    (void)name;
    (void)attributes;
}

/* XML through and through, and with no entity that only HTML knows. */
static bool is_sound(const char *bytes, size_t size)
{
    const struct xml_handlers none = {.start = ignore_start, .end = ignore_end};
    struct xml *xml = xml_new(&none);
    bool sound = xml_feed(xml, bytes, size, true) && !xml_has_unknown_entities(xml);
    xml_free(xml);
    return sound;
}

static bool has_headings(const char *bytes, size_t size)
{
    for (size_t i = 0; i + 3 < size; i++)
        if (bytes[i] == '<' && (bytes[i + 1] | 32) == 'h' && bytes[i + 2] >= '1' &&
            bytes[i + 2] <= '6')
            return true;
    return false;
}

static void read_chapter(const char *path)
{
    size_t size;
    const struct flow_options options = {.landmark = landmark};
    char *bytes = archive_read(path, &size);
    book.path = path;
    book.has_headings = has_headings(bytes, size);
    if (is_sound(bytes, size)) {
        const struct xml_handlers handlers = {
            .start = chapter_start, .end = chapter_end, .text = chapter_text};
        flow_begin(&options);
        chapter_xml = xml_new(&handlers);
        if (!xml_feed(chapter_xml, bytes, size, true))
            emit_fail("is a damaged EPUB: %.100s, line %zu: %s", path, xml_line(chapter_xml),
                      xml_problem(chapter_xml));
        xml_free(chapter_xml);
        flow_end();
    } else {
        html_read(bytes, size, &options, 0);
    }
    free(bytes);
}

/* Chapters that only a shop's own reader can decrypt. */
static void check_encryption(const char *const *paths, size_t count)
{
    size_t size;
    char *bytes = archive_read("META-INF/encryption.xml", &size);
    for (size_t i = 0; bytes && i < count; i++)
        if (strstr(bytes, paths[i]))
            emit_fail("is protected against being read by other programs (DRM)");
    free(bytes);
}

static const char *path_of(const char *id)
{
    struct item key = {.id = (char *)(uintptr_t)id};
    const struct item *item =
        book.item_count > 0 ? bsearch(&key, book.items, book.item_count, sizeof *book.items, by_id)
                            : NULL;
    return item ? item->path : NULL;
}

/* What a book before this one left. */
static void forget_book(void)
{
    for (size_t i = 0; i < book.item_count; i++) {
        free(book.items[i].id);
        free(book.items[i].path);
    }
    for (size_t i = 0; i < book.spine_count; i++)
        free(book.spine[i]);
    for (size_t i = 0; i < book.landmark_count; i++) {
        free(book.landmarks[i].title);
        free(book.landmarks[i].path);
        free(book.landmarks[i].fragment);
    }
    free(book.items);
    free(book.spine);
    free(book.landmarks);
    free(book.folder);
    free(book.package);
    memset(&book, 0, sizeof book);
}

void epub_read(void)
{
    forget_book();
    parse("META-INF/container.xml",
          &(struct xml_handlers){.start = container_start, .end = ignore_end});
    if (!book.package)
        emit_fail("is a damaged EPUB: it does not say which files it is made of");
    book.folder = folder_of(book.package);
    parse(book.package, &(struct xml_handlers){.start = package_start, .end = ignore_end});
    read_navigation();
    if (book.item_count > 0)
        qsort(book.items, book.item_count, sizeof *book.items, by_id);
    const char **paths = calloc(book.spine_count + 1, sizeof *paths);
    size_t count = 0;
    if (!paths)
        out_of_memory();
    for (size_t i = 0; i < book.spine_count; i++) {
        const char *path = path_of(book.spine[i]);
        if (path && archive_has(path))
            paths[count++] = path;
        else
            emit_fail("is a damaged EPUB: its chapter %.100s is not in it",
                      path ? path : book.spine[i]);
    }
    check_encryption(paths, count);
    for (size_t i = 0; i < count; i++) {
        emit_place(EMIT_FILE, i + 1, paths[i], strlen(paths[i]));
        read_chapter(paths[i]);
    }
    free(paths);
}
