# rows.awk: makes ROW(symbol, name, since, per_thread, kind, pfn) of each row of the driver in hooks.def.
BEGIN { FS = "|" }
/^libcuda/ {
    split($2, parts, " "); symbol = name = parts[1]; kind = $3; gsub(/[ ?]/, "", kind)
    suffix = match(name, /_pt[sd][sz]$/) ? substr(name, RSTART) : ""
    sub(/_pt[sd][sz]$/, "", name); sub(/_v[0-9]+$/, "", name)
    printf "ROW(%s, \"%s\", %s, %d, \"%s\", PFN_%s_v%s%s)\n", symbol, name, parts[2], suffix != "", kind, name, parts[2], suffix
}
