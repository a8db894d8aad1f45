# hooks.awk: turns hooks.def into what its readers need. Run with -v what=asm|map|header|source|doc.
#
# An entry point is one symbol for one version of its library: PyTorch refers to `cudaMalloc@libcudart.so.13`, a program
# for CUDA 12 to `cudaMalloc@libcudart.so.12`, and both may live in one process. Libraries with versioned symbols
# therefore get an entry point per major, and one for references without a version ("any"). The others get one.

function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }

# "const void *src, size_t bytes" -> "src, bytes"
function argument_names(parameters,    parts, count, i, names) {
    if (parameters == "void")
        return ""
    count = split(parameters, parts, ",")
    for (i = 1; i <= count; i++) {
        match(parts[i], /[A-Za-z_0-9]+[ \t]*$/)
        names = names (i > 1 ? ", " : "") trim(substr(parts[i], RSTART))
    }
    return names
}

# The parameters of an `ordinal` entry that name devices, as a condition: "vs_devices_hides(device) || ...".
function hidden_condition(parameters,    parts, count, i, names, condition) {
    count = split(parameters, parts, ",")
    for (i = 1; i <= count; i++) {
        match(parts[i], /[A-Za-z_0-9]+[ \t]*$/)
        names = trim(substr(parts[i], RSTART))
        if (names ~ /^(device|ordinal|peer|src_device|dst_device)$/ && trim(substr(parts[i], 1, RSTART - 1)) ~ /^(int|CUdevice)$/)
            condition = condition (condition ? " || " : "") "vs_devices_hides(" names ")"
    }
    return condition
}

# A parameter of this name, as a condition on its address; "" where there is none that is a pointer.
function ours_condition(parameters, name) {
    return parameters ~ ("\\*" name "(,|$)") ? "vs_pages_may_own((CUdeviceptr)" name ")" : ""
}

# The body of a `launch` or a `graph` entry between the gate's opening and closing.
function launch(row, real, arguments,    condition) {
    if (kind[row] == "graph")
        print "    vs_extents_fix_all();"
    condition = ours_condition(parameters[row], "dst")
    if (condition == "")
        condition = ours_condition(parameters[row], "src")
    if (parameters[row] ~ /enum cudaMemcpyKind kind/ && condition != "")
        printf "    if (%s)\n        kind = cudaMemcpyDefault;\n", condition
    printf "    %s result = %s.%s(%s);\n", return_type[row], real, symbol[row], arguments
}

# The body of an entry that a file implements. What the driver allocates and frees for the program is counted (below.h).
function implemented(row, real, arguments,    below, address) {
    below = library[row] == "libcuda" || kind[row] == "free" ? kind[row] : "" # the runtime may free what the driver gave
    address = library[row] == "libcuda" ? "address" : "(CUdeviceptr)pointer"
    if (below == "free")
        printf "    size_t below_bytes = vs_below_freeing(%s);\n", address
    printf "    %s result = ", return_type[row]
    if (below == "alloc")
        printf "vs_below_is_workspace(__builtin_return_address(0)) ? %s.%s(%s)\n        : ", real, symbol[row], arguments
    printf "vs_%s(&%s%s);\n", symbol[row], real, arguments == "" ? "" : ", " arguments
    if (below == "alloc")
        print "    if (result == CUDA_SUCCESS)\n        vs_below_allocated(*address, bytes);"
    if (below == "free")
        printf "    if (result != 0)\n        vs_below_allocated(%s, below_bytes);\n", address
}

# When an entry's slot leads to its function, once the library acts (resolve.h).
function when(row) {
    if (kind[row] ~ /^(context|peer)$/)
        return "VS_WHEN_EITHER"
    return kind[row] == "ordinal" || kind[row] == "seen" ? "VS_WHEN_HIDING" : "VS_WHEN_ACTING"
}

# Whether an entry acts within other hooks, too: what the program's own libraries look up or count there. The library's own
# work never comes by an entry (driver.h).
function acts_at_any_depth(row) {
    return kind[row] ~ /^(look-up|start|mapping)$/ || (library[row] == "libcuda" && kind[row] ~ /^(ordinal|seen)$/)
}

# Of a driver's symbol: what cuGetProcAddress knows it by.
function base_name(name) { sub(/_pt[sd][sz]$/, "", name); sub(/_v[0-9]+$/, "", name); return name }

function add_entry(row, version_name, node,    e) {
    e = entries++
    entry_row[e] = row
    entry_version[e] = version_name
    entry_node[e] = node
    entry_label[e] = "vs_" library[row] "_" version_name "_" symbol[row]
}

BEGIN {
    FS = "|"
    versions["cudart"] = versions["cublas"] = versions["cublasLt"] = "any 12 13"
    versions["libcuda"] = versions["libc"] = "any"
}

/^[ \t]*(#|$)/ { next }

NF != 6 {
    printf "%s:%d: error: expected 6 columns (library | symbol | kind | signature | file | why), found %d\n", FILENAME, FNR, NF > "/dev/stderr"
    exit failed = 1
}

{
    row = rows++
    library[row] = trim($1); symbol[row] = trim($2); since[row] = sub(/ [0-9]+$/, "", symbol[row]) ? substr(trim($2), length(symbol[row]) + 2) : 0
    kind[row] = trim($3); optional[row] = sub(/\?$/, "", kind[row])
    file[row] = trim($5); why[row] = trim($6)
    signature = trim($4)
    open_at = index(signature, "(")
    return_type[row] = trim(substr(signature, 1, open_at - 1))
    parameters[row] = trim(substr(signature, open_at + 1, length(signature) - open_at - 1))
    if (!(library[row] in versions)) {
        printf "%s:%d: error: unknown library '%s'\n", FILENAME, FNR, library[row] > "/dev/stderr"
        exit failed = 1
    }
    made[row] = kind[row] ~ /^(ordinal|launch|graph)$/ # of this table alone
    gated[row] = kind[row] ~ /^(launch|graph|copy|memset|library|capture|context)$/
    if (made[row] != (file[row] == "-") || (kind[row] == "ordinal" && hidden_condition(parameters[row]) == "")) {
        printf "%s:%d: error: `ordinal`, `launch` and `graph` have no file, others have one; `ordinal` names a device\n", FILENAME, FNR > "/dev/stderr"
        exit failed = 1
    }
    if ((library[row] == "libcuda") != (since[row] > 0)) {
        printf "%s:%d: error: a symbol of libcuda, and no other, stands with the version that it came with\n", FILENAME, FNR > "/dev/stderr"
        exit failed = 1
    }
    written[row] = file[row] ~ /\.S$/ # its entry point, too
    if (written[row])
        next
    count = split(versions[library[row]], names, " ")
    versioned[library[row]] = count > 1
    for (i = 1; i <= count; i++)
        add_entry(row, names[i], count == 1 ? "" : names[i] == "any" ? "vramspan" : "lib" library[row] ".so." names[i])
    if (!(library[row] in seen)) { seen[library[row]] = 1; library_order[libraries++] = library[row] }
}

END {
    if (failed)
        exit 1
    if (what == "asm") asm(); else if (what == "map") map(); else if (what == "header") header()
    else if (what == "source") source(); else if (what == "doc") doc()
}

# An entry point is one jump through its slot. A slot begins at a thunk that asks the resolver; see resolve.c.
function asm(    e) {
    print "/* Made by hooks.awk from hooks.def. */"
    print ".text"
    for (e = 0; e < entries; e++) {
        name = entry_node[e] == "" ? symbol[entry_row[e]] : entry_label[e]
        printf "\n.p2align 4\n.globl %s\n.type %s, @function\n%s:\nvs_entry_%d:\n", name, name, name, e
        printf "    endbr64\n    jmp *vs_slots+%d(%%rip)\n.size %s, .-%s\n", 8 * e, name, name
        if (entry_node[e] != "")
            printf ".symver %s, %s%s%s, remove\n", name, symbol[entry_row[e]], entry_version[e] == "any" ? "@@" : "@", entry_node[e]
        printf "vs_thunk_%d:\n    endbr64\n    push $%d\n    jmp vs_resolve_enter\n", e, e
    }
    print "\n.data\n.p2align 5\n.globl vs_slots\n.hidden vs_slots\n.type vs_slots, @object\nvs_slots:"
    for (e = 0; e < entries; e++)
        printf "    .quad vs_thunk_%d\n", e
    print ".size vs_slots, .-vs_slots"
    print "\n.section .data.rel.ro, \"aw\"\n.p2align 3\n.globl vs_entry_points\n.hidden vs_entry_points\nvs_entry_points:"
    for (e = 0; e < entries; e++)
        printf "    .quad vs_entry_%d\n", e
    print ".section .note.GNU-stack, \"\", @progbits"
}

function map(    i, e, done) {
    print "vramspan { };"
    for (e = 0; e < entries; e++)
        if (entry_node[e] != "" && entry_version[e] != "any" && !(entry_node[e] in done)) {
            done[entry_node[e]] = 1
            print entry_node[e] " { };"
        }
}

function header(    l, r) {
    print "/* Made by hooks.awk from hooks.def: the real functions behind the hooks, and the functions that implement them. */"
    print "#ifndef VS_HOOKS_GENERATED_H\n#define VS_HOOKS_GENERATED_H\n"
    print "/* cuda.h maps names to newer symbols; the table means symbols. */"
    for (r = 0; r < rows; r++)
        if (library[r] == "libcuda")
            print "#undef " symbol[r]
    print ""
    for (l = 0; l < libraries; l++) {
        printf "/* Real functions of one version of %s; NULL until resolved, and where the library lacks the symbol. */\n", library_order[l]
        printf "struct vs_%s {\n", library_order[l]
        for (r = 0; r < rows; r++)
            if (library[r] == library_order[l] && !written[r])
                printf "    %s (*%s)(%s);\n", return_type[r], symbol[r], parameters[r]
        print "};\n"
    }
    for (r = 0; r < rows; r++)
        if (!made[r] && !written[r])
            printf "%s vs_%s(const struct vs_%s *real%s%s); /* %s */\n", return_type[r], symbol[r], library[r], \
                kind[r] == "look-up" ? ", const void *caller" : "", parameters[r] == "void" ? "" : ", " parameters[r], file[r]
    printf "\n#define VS_ENTRY_COUNT %d\n\n#endif\n", entries
}

function source(    l, e, r, arguments) {
    print "/* Made by hooks.awk from hooks.def: per entry point, the function that its slot leads to while hooks act. */"
    print "#include \"below.h\"\n#include \"devices.h\"\n#include \"error.h\"\n#include \"extents.h\"\n#include \"gate.h\"\n#include \"hook.h\"\n#include \"pages.h\"\n#include \"resolve.h\"\n"
    for (l = 0; l < libraries; l++)
        printf "static struct vs_%s %s_real[%d];\n", library_order[l], library_order[l], versioned[library_order[l]] ? 3 : 1
    for (e = 0; e < entries; e++) {
        r = entry_row[e]
        arguments = argument_names(parameters[r])
        version_index = entry_version[e] == "any" ? 0 : entry_version[e] == "12" ? 1 : 2
        real = library[r] "_real[" version_index "]"
        printf "\nstatic %s act_%s(%s)\n{\n", return_type[r], entry_label[e], parameters[r]
        printf "    VS_ENTERED(%d);\n", e
        if (kind[r] == "ordinal") {
            printf "    if (%s(%s))\n        return %s;\n", acts_at_any_depth(r) ? "" : "vs_depth == 0 && ", hidden_condition(parameters[r]), \
                return_type[r] == "CUresult" ? "CUDA_ERROR_INVALID_DEVICE" : "vs_no_such_device(&" real ")"
            printf "    return %s.%s(%s);\n}\n", real, symbol[r], arguments
            continue
        }
        if (acts_at_any_depth(r)) {
            if (kind[r] == "mapping") { # what else is called on the way is not the program's
                printf "    vs_depth++;\n    %s result = vs_%s(&%s, %s);\n    vs_depth--;\n    return result;\n}\n", \
                    return_type[r], symbol[r], real, arguments
                continue
            }
            printf "    return vs_%s(&%s%s%s);\n}\n", symbol[r], real, kind[r] == "look-up" ? ", __builtin_return_address(0)" : "", \
                arguments == "" ? "" : ", " arguments
            continue
        }
        printf "    if (vs_depth > 0%s)\n        return %s.%s(%s);\n    vs_depth++;\n", \
            made[r] ? " || !vs_gate_is_needed()" : "", real, symbol[r], arguments
        if (gated[r] && !made[r])
            print "    bool gated = vs_gate_is_needed();\n    if (gated)\n        vs_gate_enter();"
        if (made[r]) {
            print "    vs_gate_enter();"
            launch(r, real, arguments)
            print "    vs_gate_leave();"
        } else {
            implemented(r, real, arguments)
        }
        if (gated[r] && !made[r])
            print "    if (gated)\n        vs_gate_leave();"
        print "    vs_depth--;\n    return result;\n}"
    }
    print "\nconst struct vs_entry vs_entries[VS_ENTRY_COUNT] = {"
    for (e = 0; e < entries; e++) {
        r = entry_row[e]
        version_index = entry_version[e] == "any" ? 0 : entry_version[e] == "12" ? 1 : 2
        printf "    {VS_LIBRARY_%s, %d, \"%s\", %s, %s, (void *)act_%s, (void **)&%s_real[%d].%s", toupper(library[r]), \
            entry_version[e] == "any" ? 0 : entry_version[e], symbol[r], optional[r] ? "true" : "false", when(r), \
            entry_label[e], library[r], version_index, symbol[r]
        if (library[r] != "libcuda")
            print ", NULL, 0, false, false},"
        else
            printf ", \"%s\", %d, %s, %s},\n", base_name(symbol[r]), since[r], symbol[r] ~ /_pt[sd][sz]$/ ? "true" : "false", \
                kind[r] == "alloc" || kind[r] == "free" ? "true" : "false"
    }
    print "};"
}

function doc(    r) {
    print "# What libvramspan.so takes over\n\nMade from `shim/hooks.def`.\n"
    print "| library | symbol | kind | implemented in | why |\n| --- | --- | --- | --- | --- |"
    for (r = 0; r < rows; r++)
        printf "| %s | `%s` | %s | `shim/%s` | %s |\n", library[r], symbol[r], kind[r], made[r] ? "hooks.awk" : file[r], why[r]
}
