# pairs.awk: makes of hooks.def the runtime calls of programs/pairs.c: PAIR(symbol, kind, result, parameters, arguments), in the
# table's order. The arguments are for calls that pairs.c makes none of its own of: buffers for pointers, all else is nothing.
BEGIN { FS = "|" }
function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
/^cudart/ {
    symbol = trim($2); kind = trim($3); sub(/\?$/, "", kind); signature = trim($4); open_at = index(signature, "(")
    parameters = trim(substr(signature, open_at + 1, length(signature) - open_at - 1))
    count = parameters == "void" ? 0 : split(parameters, parts, ",")
    arguments = ""
    for (i = 1; i <= count; i++) {
        match(parts[i], /[A-Za-z_0-9]+[ \t]*$/)
        type = trim(substr(parts[i], 1, RSTART - 1))
        arguments = arguments (i > 1 ? ", " : "") (type ~ /\*$/ ? "(void *)buffer" : "(" type "){0}")
    }
    printf "PAIR(%s, \"%s\", %s, (%s), (%s))\n", symbol, kind, trim(substr(signature, 1, open_at - 1)), parameters, arguments
}
