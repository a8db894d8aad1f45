# generate_lookups.awk: golden look-ups -> lookups.h. Usage: awk -f generate_lookups.awk cudart13_lookups.txt > lookups.h
#
# Writes one enumerator per look-up in the golden order, RT_LOOKUP_VERSION(name, version, flags); where a name is looked up
# in one version only, also the shorter RT_LOOKUP(name, flags); and RT_LOOKUPS, the table that driver.c walks. The names go
# through these macros (runtime.h) because cuda.h renames functions by macros of its own: definition and use must agree.
BEGIN { count = 0; print "/* Generated from the golden look-ups by generate_lookups.awk. */" }
/^#/ || NF == 0 { next }
NF != 3 { print FILENAME ":" FNR ": expected \"name version flags\", found \"" $0 "\"" > "/dev/stderr"; bad = 1; exit }
{
    name[count] = $1; version[count] = $2; flags[count] = $3
    seen[$1 "_" $3]++
    count++
}
END {
    if (bad) exit 1
    print "#ifndef SIMCUDA_LOOKUPS_H\n#define SIMCUDA_LOOKUPS_H\n\nenum rt_lookup {"
    for (i = 0; i < count; i++) {
        symbol = name[i] == "-" ? "empty" : name[i]
        printf "    RT_LOOKUP_VERSION(%s, %s, %s) = %d,\n", symbol, version[i], flags[i], i
        if (seen[name[i] "_" flags[i]] == 1)
            printf "    RT_LOOKUP(%s, %s) = %d,\n", symbol, flags[i], i
    }
    printf "    RT_LOOKUP_COUNT = %d\n};\n\n#define RT_LOOKUPS \\\n", count
    for (i = 0; i < count; i++)
        printf "    {\"%s\", %s, %s}, \\\n", name[i] == "-" ? "" : name[i], version[i], flags[i]
    print "\n#endif"
}
