# each_call.awk: makes the calls of programs/each_call.c: of first_calls.def and of the runtime in hooks.def one each, `first`, and
# one for each device that an `ordinal` entry names. Pointers are given a buffer, devices `device`, all else is nothing.

function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }

# The argument for a parameter; the one at `place` is the device.
function argument(parameter, is_device) {
    match(parameter, /[A-Za-z_0-9]+[ \t]*$/)
    type = trim(substr(parameter, 1, RSTART - 1))
    if (is_device)
        return "device"
    return type ~ /\*$/ ? "(void *)buffer" : "(" type "){0}"
}

function names_device(parameter) { return parameter ~ /^ *(int|CUdevice) (device|ordinal|peer|src_device|dst_device) *$/ }

function call(what, place,    i, arguments) {
    for (i = 1; i <= count; i++)
        arguments = arguments (i > 1 ? ", " : "") argument(parts[i], i == place)
    if (parameters == "void")
        arguments = ""
    printf "CALL(%s, %s, %s, %d, %s, (%s), (%s))\n", what, library, symbol, place, result, parameters, arguments
}

BEGIN { FS = "|" }
/^[ \t]*(#|$)/ { next }
{
    library = trim($1); symbol = trim($2); sub(/ [0-9]+$/, "", symbol); kind = trim($3); sub(/\?$/, "", kind)
    may_be_first = kind == "first" || (library == "cudart" && kind != "error" && kind != "look-up")
    may_be_first = may_be_first && !((library, symbol) in firsts)
    if (may_be_first)
        firsts[library, symbol] = 1
    if (kind ~ /^(context|peer|primary)$/)
        kind = "ordinal" # where it names a device
    if (!may_be_first && kind != "ordinal")
        next
    signature = trim($4)
    open_at = index(signature, "(")
    result = trim(substr(signature, 1, open_at - 1))
    parameters = trim(substr(signature, open_at + 1, length(signature) - open_at - 1))
    count = split(parameters, parts, ",")
    if (may_be_first)
        call("first", 0)
    for (i = 1; kind == "ordinal" && i <= count; i++)
        if (names_device(parts[i]))
            call("ordinal", i)
}
