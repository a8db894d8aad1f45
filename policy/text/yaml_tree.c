/*
 * From libyaml's events to a tree. See yaml_tree.h. The event interface is used, not the document interface, since
 * the latter has already followed aliases when it hands over a document.
 */
#include "yaml_tree.h"

#include "yaml_error.h"

#include <stdlib.h>
#include <string.h>

struct level {
    uint32_t node;
    uint32_t last_child; /* 0: none yet (the root is nobody's child) */
    bool expects_value;  /* in a mapping: a key was read */
};

struct builder {
    struct vs_yaml_tree *tree;
    struct vs_diags *diags;
    struct level levels[VS_YAML_DEPTH_MAX];
    unsigned depth;
    unsigned documents;
    bool ended;              /* by a second document: what follows is not read */
    struct vs_cursor cursor; /* behind the scalar read last */
};

static struct vs_place place_of_mark(const struct builder *builder, yaml_mark_t mark)
{
    return (struct vs_place){&builder->tree->source, mark.line + 1, mark.column + 1};
}

static void report(const struct builder *builder, yaml_mark_t mark, const char *message, const char *hint)
{
    vs_diag_add(builder->diags, VS_ERROR, place_of_mark(builder, mark), "%s", message);
    vs_diag_hint(builder->diags, "%s", hint);
}

/* The same for what ends the reading. */
static int refuse(const struct builder *builder, yaml_mark_t mark, const char *message, const char *hint)
{
    report(builder, mark, message, hint);
    return -1;
}

/* Takes the scalar's value, and finds out whether the source shows it letter by letter. */
static int fill_scalar(struct builder *builder, const yaml_event_t *event, struct vs_yaml_node *node)
{
    bool has_value = event->type == YAML_SCALAR_EVENT;
    const char *value = has_value ? (const char *)event->data.scalar.value : "";
    size_t length = has_value ? event->data.scalar.length : 0;
    yaml_scalar_style_t style = has_value ? event->data.scalar.style : YAML_PLAIN_SCALAR_STYLE;
    if (memchr(value, 0, length)) {
        report(builder, event->start_mark, "a word contains the character NUL", "take the `\\0` out of it");
        node->refused = true;
        length = 0;
    }
    node->quoted = style != YAML_PLAIN_SCALAR_STYLE;
    bool in_quotes = style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    node->text_column = node->column + in_quotes;
    struct vs_place begin = {&builder->tree->source, node->line, node->text_column};
    size_t offset = vs_cursor_seek(&builder->cursor, begin);
    node->exact =
        builder->tree->source.bytes - offset >= length && !memcmp(builder->tree->source.text + offset, value, length);
    if (!node->exact)
        node->text_column = node->column;
    node->text = malloc(length + 1);
    if (!node->text) {
        vs_diag_out_of_memory(builder->diags);
        return -1;
    }
    memcpy(node->text, value, length);
    node->text[length] = '\0';
    node->length = length;
    return 0;
}

static int grow(struct builder *builder, yaml_mark_t mark)
{
    struct vs_yaml_tree *tree = builder->tree;
    if (tree->count < tree->capacity)
        return 0;
    if (tree->count >= VS_YAML_NODES_MAX)
        return refuse(builder, mark, "the file has too many entries", "check that this is the file that was meant");
    uint32_t capacity = tree->capacity ? tree->capacity * 2 : 64;
    if (capacity > VS_YAML_NODES_MAX)
        capacity = VS_YAML_NODES_MAX;
    struct vs_yaml_node *nodes = realloc(tree->nodes, capacity * sizeof *nodes);
    if (!nodes) {
        vs_diag_out_of_memory(builder->diags);
        return -1;
    }
    tree->nodes = nodes;
    tree->capacity = capacity;
    return 0;
}

/* Hangs a new node under the innermost open one. An alias is a scalar without a value. */
static int add_node(struct builder *builder, enum vs_yaml_kind kind, const yaml_event_t *event)
{
    struct vs_yaml_tree *tree = builder->tree;
    struct level *parent = builder->depth ? &builder->levels[builder->depth - 1] : NULL;
    if (grow(builder, event->start_mark))
        return -1;
    uint32_t index = tree->count;
    struct vs_yaml_node node = {
        .kind = kind, .line = event->start_mark.line + 1, .column = event->start_mark.column + 1};
    if (parent && tree->nodes[parent->node].kind == VS_YAML_MAPPING) {
        if (!parent->expects_value && kind != VS_YAML_SCALAR)
            return refuse(builder, event->start_mark, "a key must be a single word", "write `key: value`");
        parent->expects_value = !parent->expects_value;
    }
    node.refused = event->type == YAML_ALIAS_EVENT;
    if (kind == VS_YAML_SCALAR && fill_scalar(builder, event, &node))
        return -1;
    tree->nodes[tree->count++] = node;
    if (parent) {
        uint32_t *link =
            parent->last_child ? &tree->nodes[parent->last_child].next : &tree->nodes[parent->node].first_child;
        *link = index;
        parent->last_child = index;
    }
    if (kind == VS_YAML_SCALAR)
        return 0;
    if (builder->depth == VS_YAML_DEPTH_MAX)
        return refuse(builder, event->start_mark, "lists and mappings are nested too deeply",
            "check the brackets and the indentation");
    builder->levels[builder->depth++] = (struct level){.node = index};
    return 0;
}

static void report_properties(
    const struct builder *builder, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        report(builder, event->start_mark, "anchors (`&name`) are not used in this file",
            "write the value out; if a text begins with `&`, put it in quotes");
    if (tag)
        report(builder, event->start_mark, "tags (`!name`) are not used in this file",
            "remove the tag; if a text begins with `!`, put it in quotes");
}

static int take_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->documents++) {
            report(builder, event->start_mark, "the file has more than one document",
                "remove the `---` line and what follows it");
            builder->ended = true;
        } else if (event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end) {
            report(builder, event->start_mark, "tags are not used in this file", "remove the `%TAG` line");
        }
        return 0;
    case YAML_ALIAS_EVENT:
        report(builder, event->start_mark, "aliases (`*name`) are not used in this file",
            "write the value out; if a text begins with `*`, put it in quotes: \"*.safetensors\"");
        return add_node(builder, VS_YAML_SCALAR, event);
    case YAML_SCALAR_EVENT:
        report_properties(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
        return add_node(builder, VS_YAML_SCALAR, event);
    case YAML_SEQUENCE_START_EVENT:
        report_properties(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return add_node(builder, VS_YAML_LIST, event);
    case YAML_MAPPING_START_EVENT:
        report_properties(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return add_node(builder, VS_YAML_MAPPING, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

int vs_yaml_read(const char *name, const char *text, size_t bytes, struct vs_yaml_tree *tree, struct vs_diags *diags)
{
    *tree = (struct vs_yaml_tree){.source = {.name = name, .text = text, .bytes = bytes}};
    struct builder builder = {.tree = tree, .diags = diags, .cursor = VS_CURSOR_START};
    yaml_parser_t parser;
    bool done = false;

    if (bytes > VS_YAML_BYTES_MAX) {
        vs_diag_add(
            diags, VS_ERROR, vs_place_of_file(&tree->source), "the file is larger than %d bytes", VS_YAML_BYTES_MAX);
        vs_diag_hint(diags, "check that this is the file that was meant");
        return -1;
    }
    if (!yaml_parser_initialize(&parser)) {
        vs_diag_out_of_memory(diags);
        return -1;
    }
    if (bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* the mark that some editors put before UTF-8 */
        tree->source.text += 3;
        tree->source.bytes -= 3;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)tree->source.text, tree->source.bytes);
    while (!done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            vs_yaml_report(&parser, &tree->source, diags);
            goto fail;
        }
        int result = take_event(&builder, &event);
        done = event.type == YAML_STREAM_END_EVENT || builder.ended;
        yaml_event_delete(&event);
        if (result)
            goto fail;
    }
    yaml_parser_delete(&parser);
    return 0;
fail:
    yaml_parser_delete(&parser);
    vs_yaml_free(tree);
    return -1;
}

void vs_yaml_free(struct vs_yaml_tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++)
        free(tree->nodes[i].text);
    free(tree->nodes);
    tree->nodes = NULL;
    tree->count = tree->capacity = 0;
}

struct vs_place vs_yaml_place(const struct vs_yaml_tree *tree, const struct vs_yaml_node *node)
{
    return (struct vs_place){&tree->source, node->line, node->column};
}

struct vs_place vs_yaml_text_place(const struct vs_yaml_tree *tree, const struct vs_yaml_node *node)
{
    return (struct vs_place){&tree->source, node->line, node->text_column};
}

/* A number of YAML 1.2's core schema: decimal with point and exponent, 0o17, 0x1f, .inf, .nan. */
static bool is_number(const char *text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    if (!strncmp(text, "0o", 2))
        return text[2] && !text[2 + strspn(text + 2, "01234567")];
    if (!strncmp(text, "0x", 2))
        return text[2] && !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")];
    text += *text == '-' || *text == '+';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i]))
            return true;
    size_t digits = strspn(text, "0123456789"), more = 0;
    text += digits;
    if (*text == '.') {
        more = strspn(text + 1, "0123456789");
        text += 1 + more;
    }
    if (!digits && !more)
        return false;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '-' || text[1] == '+');
        return *text && !text[strspn(text, "0123456789")];
    }
    return !*text;
}

bool vs_yaml_is_text(const struct vs_yaml_node *scalar)
{
    static const char *const words[] = {"~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE"};
    if (scalar->quoted)
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(scalar->text, words[i]))
            return false;
    return scalar->length && !is_number(scalar->text);
}

const char *vs_yaml_kind_name(enum vs_yaml_kind kind)
{
    static const char *const names[] = {
        [VS_YAML_SCALAR] = "a word", [VS_YAML_LIST] = "a list", [VS_YAML_MAPPING] = "a mapping"};
    return names[kind];
}
