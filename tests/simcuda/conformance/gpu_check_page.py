"""The readable page of a gpu-check report (gpu_check.py): Markdown."""

WORDS = {"pass": "holds", "fail": "FAILS", "skip": "not asked"}


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def known(value, unit=""):
    return "unknown" if value is None else f"{value}{unit}"


def mib(value):
    return known(None if value is None else value >> 20, " MiB")


def machine_part(report):
    machine = report["machine"]
    devices = machine["devices"]
    rows = [("CUDA", report["cuda"]), ("driver", known(machine["driver_version"])),
            ("driver's CUDA version", machine["driver_cuda_version"]),
            ("runtimes", ", ".join(f"{r['runtime_version']}" for r in report["runtimes"])),
            ("vramspan", report["vramspan"]), ("operating system", known(machine["os"])), ("kernel", machine["kernel"]),
            ("processor", f"{machine['processors']} x {known(machine['processor'])}"),
            ("host memory", mib(machine["host_memory_bytes"]))]
    # Every device property that the JSON has, a row each.
    properties = [(key.replace("_", " "), *(mib(d[key]) if key.endswith("_bytes") else known(d[key]) for d in devices))
                  for key in devices[0]]
    numbers = [f"device {i}" for i in range(len(devices))]
    peers = [(f"device {i} reaches", *("yes" if can else "no" for can in row))
             for i, row in enumerate(machine["peer_access"])]
    return "\n\n".join([table(["what", "value"], rows), table(["", *numbers], properties), table(["", *numbers], peers)])


def check_rows(checks):
    return [(c["id"], c["runtime"], WORDS[c["result"]], c["sentence"], c["tag"], c["reason"]) for c in checks]


def check_part(checks):
    if not checks:
        return "None."
    return table(["check", "cudart", "result", "claim", "rests on", "reason"], check_rows(checks))


def move_part(moves):
    return table(["holds", "what was seen"], [("yes" if m["holds"] else "NO", m["claim"]) for m in moves]) if moves else "Not tried."


def proof_part(proofs):
    if not proofs:
        return "Not tried."
    rows = [(p["backing"], p["place"], p["device"], p.get("peer", ""), p["outcome"],
             "" if p["outcome"] == "works" else f"{p['step']} {p['detail']}".strip()) for p in proofs]
    return table(["backing", "place", "for device", "on device", "outcome", "where it ended"], rows)


def cost_rows(costs):
    for cost in costs:
        where = f"{cost['device']} to {cost['peer']}" if "peer" in cost else cost["device"]
        value = "" if cost["median"] is None else f"{cost['median']:.4g} {cost['unit']}"
        least = f"{cost['smallest']:.4g}" if "smallest" in cost else ""
        yield cost["id"], where, value, least, cost["sentence"], cost.get("reason", "")


def page(report):
    simulated = report["cuda"] == "simulated CUDA"
    checks = report["checks"]
    assumed = [c for c in checks if "assumed" in c["tag"]]
    failed = [c for c in checks if c not in assumed and c["result"] == "fail"]
    rest = [c for c in checks if c not in assumed and c not in failed]
    count = {result: sum(c["result"] == result for c in checks) for result in WORDS}
    return "\n\n".join([
        "# vramspan gpu-check" + (" on SIMULATED CUDA: says nothing about any GPU" if simulated else ""),
        f"{len(checks)} checks: {count['pass']} hold, {count['fail']} fail, {count['skip']} could not be asked here.",
        "## Machine", machine_part(report),
        "## Which memory proves itself",
        "Copied to and from, filled, read and written by kernels, in a process each. How fast it is stands below:"
        " `kernel_reads_*`, `copy_from_*`.", proof_part(report["proofs"]),
        "## What was assumed until now", check_part(assumed),
        "## Other failures", check_part(failed),
        "## Weights that change their home", move_part(report["moves"]),
        "## Measured costs", "Medians, and the smallest sample." + (" Of the simulator." if simulated else ""),
        table(["cost", "device", "median", "smallest", "what", "why not"], cost_rows(report["costs"])),
        "## The other checks", check_part(rest)])
