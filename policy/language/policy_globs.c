/*
 * The globs of a policy: reading them, and finding those that can never decide anything. See policy_read.h.
 */
#include "policy_read.h"

#include "../text/glob.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MATCH_HINT   "write a glob for the file's name: match: \"flux1-*.safetensors\""
#define LINE_HINT    "write a glob for names of tensors: match: \"*norm*\""

/* The endings of files that hold models, of which the last are told what to do about instead of read. */
static const char *const model_endings[] = {".safetensors", ".sft", ".gguf", ".json", ".ckpt", ".pt", ".pth", ".bin"};

static void warn_of_glob(const struct vs_schema *schema, const struct vs_yaml_node *word, bool names_models)
{
    static const struct {
        const char *message, *hint;
    } flaws[] = {[VS_GLOB_UNCLOSED] = {"the `[` has no `]` and stands for itself",
                     "close it, or write `[[]` where the letter `[` is meant"},
        [VS_GLOB_EMPTY_SET] = {"no letter is in these brackets, so that the glob fits nothing",
            "write the smaller letter first: `[a-z]`"},
        [VS_GLOB_CUT_OFF] = {"a `\\` at the end of a glob fits nothing", "remove it, or write `[\\]` for the letter"}};
    size_t offset;
    enum vs_glob_flaw flaw = vs_glob_flaw(word->text, &offset);
    struct vs_place place = vs_yaml_text_place(schema->tree, word);
    if (flaw != VS_GLOB_SOUND) {
        if (word->exact)
            place = vs_place_advance(place, word->text, offset);
        vs_diag_add(schema->diags, VS_WARNING, place, "%s", flaws[flaw].message);
        vs_diag_hint(schema->diags, "%s", flaws[flaw].hint);
    } else if (names_models && !vs_glob_can_end_in(word->text, model_endings, COUNT(model_endings))) {
        vs_diag_add(schema->diags, VS_WARNING, place,
            "`%s` fits no model file: their names end in .safetensors, .sft or .gguf",
            vs_quote(word->text, word->length).text);
        if (strchr(word->text, '.'))
            vs_diag_hint(schema->diags, "a glob must fit the whole name, with its ending: \"flux1-*.safetensors\"");
        else
            vs_diag_hint(schema->diags, "a glob must fit the whole name, with its ending: \"%s*\"",
                vs_quote(word->text, word->length).text);
    }
}

/* Adds one glob. Of those for models, a folder in it is an error; names of tensors may contain anything. */
static void read_glob(
    const struct vs_schema *schema, const struct vs_yaml_node *value, bool names_models, struct vs_globs *globs)
{
    const char *what = names_models ? "a glob for a file's name" : "a glob for a tensor's name";
    const char *hint = names_models ? MATCH_HINT : LINE_HINT;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, what, hint);
    if (!word)
        return;
    const char *slash = names_models ? strchr(word->text, '/') : NULL;
    struct vs_place place = vs_yaml_text_place(schema->tree, word);
    if (!vs_yaml_is_text(word)) {
        vs_diag_add(schema->diags, VS_ERROR, place, "%s is expected here, and for YAML `%s` is no text", what,
            vs_quote(word->text, word->length).text);
        vs_diag_hint(schema->diags, "put it in quotes: \"%s\"", vs_quote(word->text, word->length).text);
    } else if (slash) {
        if (word->exact)
            place = vs_place_advance(place, word->text, (size_t)(slash - word->text));
        vs_diag_add(schema->diags, VS_ERROR, place, "`%s` contains a `/`: globs are compared with the file's base name",
            vs_quote(word->text, word->length).text);
        const char *name = strrchr(slash, '/') + 1;
        vs_diag_hint(schema->diags, *name ? "leave the folders out: match: \"%s\"" : "%s",
            *name ? vs_quote_string(name).text : MATCH_HINT);
    } else if (word->length > VS_GLOB_BYTES_MAX) {
        vs_diag_add(schema->diags, VS_ERROR, place, "the glob is longer than %s (%d bytes)",
            names_models ? "any file's name" : "a glob may be", VS_GLOB_BYTES_MAX);
        vs_diag_hint(schema->diags, "%s", hint);
    } else {
        warn_of_glob(schema, word, names_models);
        vs_globs_add(globs, word->text, schema->diags);
    }
}

/* A glob or a list of them. */
void vs_read_globs(
    const struct vs_schema *schema, const struct vs_yaml_node *value, bool names_models, struct vs_globs *globs)
{
    if (value->kind != VS_YAML_LIST) {
        read_glob(schema, value, names_models, globs);
        return;
    }
    if (!value->first_child) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "the list of globs is empty");
        vs_diag_hint(schema->diags, "%s", names_models ? MATCH_HINT : LINE_HINT);
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item))
        read_glob(schema, item, names_models, globs);
}

bool vs_glob_is_covered(struct vs_policy_reader *reader, const char *by, const char *glob)
{
    return !strcmp(by, glob) || vs_glob_covers(by, glob, &reader->glob_steps);
}

void vs_warn_of_shadow(
    const struct vs_schema *schema, const struct vs_yaml_node *word, const char *by, const char *file, size_t line)
{
    vs_diag_add(schema->diags, VS_WARNING, vs_yaml_text_place(schema->tree, word),
        "`%s` is never used: `%s` in %s%sline %zu comes first and takes all that it fits",
        vs_quote(word->text, word->length).text, vs_quote_string(by).text, file ? file : "", file ? ", " : "", line);
    vs_diag_hint(schema->diags, "put the narrower glob first, or remove it");
}

/* Steps through a glob or a list of globs: the first one, then the next; NULL at the end. */
const struct vs_yaml_node *vs_next_glob(
    const struct vs_schema *schema, const struct vs_yaml_node *match, const struct vs_yaml_node *last)
{
    const struct vs_yaml_node *word;
    if (match->kind != VS_YAML_LIST)
        return last || match->kind != VS_YAML_SCALAR ? NULL : match;
    word = last ? vs_schema_next(schema, last) : vs_schema_first(schema, match);
    while (word && word->kind != VS_YAML_SCALAR)
        word = vs_schema_next(schema, word);
    return word;
}
