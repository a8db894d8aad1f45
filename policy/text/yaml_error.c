/*
 * Syntax errors. See yaml_error.h. libyaml tells what it was about (context) and what stopped it (problem), each with a
 * place; which of the two places helps, and what was expected there, depends on the error.
 */
#include "yaml_error.h"

#include <string.h>

enum place { AT_PROBLEM, AT_CONTEXT };

struct explanation {
    const char *context; /* what libyaml's texts contain; NULL: anything */
    const char *problem;
    enum place place;
    const char *message;
    const char *hint;
};

/* The first that fits is used. */
static const struct explanation explanations[] = {
    {"quoted scalar", "end of stream", AT_CONTEXT, "the quote that opens here is not closed",
        "put the same quote at the end of the text"},
    {"quoted scalar", "document indicator", AT_CONTEXT, "the quote that opens here is not closed",
        "put the same quote at the end of the text"},
    {"quoted scalar", "escape character", AT_PROBLEM, "there is no such escape as this `\\` and what follows it",
        "in double quotes write `\\\\` for a backslash, or use single quotes, in which it stands for itself"},
    {"alias", NULL, AT_CONTEXT, "a word that begins with `*` must stand in quotes",
        "put the whole word in quotes: \"*.safetensors\""},
    {"anchor", NULL, AT_CONTEXT, "a word that begins with `&` must stand in quotes", "put the whole word in quotes"},
    {"flow sequence", "',' or ']'", AT_PROBLEM, "`,` or `]` is expected here, in the list that `[` opened",
        "put a comma between the entries, and `]` behind the last"},
    {"flow mapping", "',' or '}'", AT_PROBLEM, "`,` or `}` is expected here, in the mapping that `{` opened",
        "put a comma between the entries, and `}` behind the last"},
    {NULL, "mapping values are not allowed", AT_PROBLEM, "a `:` with a value is not expected here",
        "if it belongs to a text, put the text in quotes; else see that the line above has its `: ` and this line the "
        "right indentation"},
    {"simple key", "':'", AT_CONTEXT, "`: ` and a value are expected behind this word", "write `key: value`"},
    {"block mapping", "expected key", AT_PROBLEM, "a `key: value` line with the indentation of those above is expected",
        "check the indentation, here and just above"},
    {"block collection", "'-' indicator", AT_PROBLEM, "a line that begins with `- ` like those above is expected",
        "check the indentation, here and just above"},
    {NULL, "block sequence entries are not allowed", AT_PROBLEM, "a list cannot begin here",
        "begin it on a line of its own, or write it in brackets: [a, b]"},
};

/* The letter at the place, '\0' at the end of the text. */
static char letter_at(struct vs_place place)
{
    size_t at = vs_place_offset(place);
    return at < place.source->bytes ? place.source->text[at] : '\0';
}

static bool contains(const char *text, const char *wanted)
{
    return !wanted || (text && strstr(text, wanted));
}

static struct vs_place place_of(const struct vs_source *source, yaml_mark_t mark)
{
    return (struct vs_place){source, mark.line + 1, mark.column + 1};
}

static void add(struct vs_diags *diags, struct vs_place place, const char *message, const char *hint)
{
    vs_diag_add(diags, VS_ERROR, place, "%s", message);
    vs_diag_hint(diags, "%s", hint);
}

void vs_yaml_report(const yaml_parser_t *parser, const struct vs_source *source, struct vs_diags *diags)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        vs_diag_out_of_memory(diags);
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        vs_diag_add(diags, VS_ERROR, vs_place_at(source, parser->problem_offset), "this is no text in UTF-8: %s",
            parser->problem ? parser->problem : "unreadable");
        vs_diag_hint(diags, "save the file as plain UTF-8 text");
        return;
    }
    struct vs_place place = place_of(source, parser->problem_mark);
    char letter = letter_at(place);
    if (contains(parser->problem, "cannot start any token") && letter) {
        if (letter == '\t') {
            add(diags, place, "a tab cannot stand here", "indent with spaces: YAML takes no tabs there");
        } else {
            vs_diag_add(diags, VS_ERROR, place, "a word that begins with `%c` must stand in quotes", letter);
            vs_diag_hint(diags, "put the whole word in quotes");
        }
        return;
    }
    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++) {
        const struct explanation *explanation = &explanations[i];
        if (!contains(parser->context, explanation->context) || !contains(parser->problem, explanation->problem))
            continue;
        if (explanation->place == AT_CONTEXT)
            place = place_of(source, parser->context_mark);
        add(diags, place, explanation->message,
            letter == '\t' ? "indent with spaces: YAML takes no tabs there" : explanation->hint);
        return;
    }
    vs_diag_add(diags, VS_ERROR, place, "this is not YAML: %s%s%s", parser->context ? parser->context : "",
        parser->context ? ", " : "", parser->problem ? parser->problem : "unreadable text");
    vs_diag_hint(diags, "check the indentation, the quotes and the `: ` behind each key, here and just above");
}
