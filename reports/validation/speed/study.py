"""What does a fit cost, how does it grow with persons and visits, and what do peers cost on the same data?

    python -m validation.speed --out reports/validation/speed

Runs the scripts of `benchmarks/`, each measurement in a process of its own, and makes the page of what they write. It
wants a machine that does nothing else: the page says how busy it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmodels.fitted import versions
from bayesmodels.trials.results import Results
from validation.speed.figure import growth_figure
from validation.speed.machine import description, is_quiet, load

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
COMMAND = "python -m validation.speed --out reports/validation/speed"
OWN_PROCESSES = 4.0
"""Processes that the scripts keep busy at once, at most: two chains, and those that compile or wait for them."""

SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "first_draw": ("first_draw.py", "--models", "longitudinal"),
    "trial": ("trial108.py",),
    "refits": ("refits.py", "--fits", "2"),
    "peers": ("peers.py",),
    "registry": ("registry.py",),
    "workers": ("spread_over_workers.py",),
}
"""Scripts of the study and their options, by the name of what they write."""

TARGETS = pd.DataFrame(
    [
        ("warm, process start to first draw", "CPU s", 45, 14, 8, "less"),
        ("cold, process start to first draw", "CPU s", 110, 70, 45, "less"),
        ("gradient, default model, 108 persons", "ms", 0.9, 1.3, None, "less"),
        ("worst bulk ESS per sampling CPU s, default model, 108 persons", "1/s", 17.5, 50, 100, "more"),
        ("worst bulk ESS per CPU s, everything counted, warm", "1/s", 8, 25, 50, "more"),
        ("pbcseq, worst bulk ESS per sampling CPU s", "1/s", 117, 150, None, "more"),
        ("pbcseq, worst bulk ESS per CPU s, everything counted, warm", "1/s", 57, 90, None, "more"),
        ("refits per CPU hour, 54 persons, 1 x (500 + 600)", "1/h", 770, 1500, None, "more"),
        ("refits per CPU hour, 108 persons, 2 x (400 + 400)", "1/h", 238, 600, None, "more"),
        ("gradient a person, fixed bases, 1,000 persons", "ns", 534, 400, None, "less"),
        ("gradient a person, fixed bases, 100,000 persons over 1,000", "ratio", None, 1.1, None, "less"),
        ("two chains at once over one, 100,000 persons", "ratio", None, 1.8, None, "more"),
        ("memory, 100,000 persons", "GiB", None, 4, None, "less"),
        ("posterior of 100,000 persons, light design, worst ESS of 400", "h", None, 1, None, "less"),
        ("posterior of 100,000 persons, default model, worst ESS of 400", "h", None, 1, None, "less"),
    ],
    columns=["what", "unit", "before", "goal", "stretch", "better"],
)
"""Goals, and what the package of November 2026 took (a simpler default model) where that was measured; of a range its
middle. A gradient is linear in persons where one of 100,000 costs at most a tenth more a person, and both cores are
used where two chains are 1.8 times as fast as one."""

DRAWS_AFTER = 1_000
"""Draws at which a fit evaluates every person's density."""


def results() -> Results:
    """Run every script, and compare what they found with the goals."""
    began, before, during = time.monotonic(), load(), {}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (script, *options) in SCRIPTS.items():
            out = Path(folder) / f"{name}.json"
            print(f"{script}: {' '.join(options)}", flush=True)
            subprocess.run([sys.executable, script, *options, "--out", str(out)], cwd=BENCHMARKS, check=True)
            found[name], during[name] = json.loads(out.read_text(encoding="utf-8")), load()
    tables = tables_of(found)
    quiet = is_quiet(before, list(during.values()), OWN_PROCESSES)
    manifest = {
        "study": "speed",
        "command": COMMAND,
        "machine": description(),
        "load_before": before,
        "load_after_each": during,
        "quiet": quiet,
        "goals_met": int(tables["rows"]["met"].eq("yes").sum()),
        "versions": versions(),
        "seconds": round(time.monotonic() - began),
    }
    return Results(tables, manifest, {"growth": growth_figure(tables["growth"], tables["visits"])})


def tables_of(found: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Tables of the study, from what the scripts wrote."""
    registry = found["registry"]
    tables = {name: pd.DataFrame(registry[name]) for name in ("growth", "visits", "fits", "after", "posterior")}
    tables["fits"] = tables["fits"].assign(variables_by_person=[len(v) for v in tables["fits"]["variables_by_person"]])
    peers = pd.DataFrame(found["peers"])
    tables["peers"] = peers.assign(skipped=peers.get("skipped"))
    tables["workers"] = pd.DataFrame([found["workers"]])
    tables["refits"] = pd.DataFrame(found["refits"])
    return {"rows": rows(measured(found))} | tables


def measured(found: Mapping[str, Any]) -> dict[str, float | None]:
    """What was found, by the goals' names; None where it could not be measured here."""
    first = {row["caches"]: row for row in found["first_draw"]}
    trial = next(row for row in found["trial"] if row["caches"] == "warm")
    pbcseq = _one(found["peers"], data="pbcseq", peer="ours", caches="warm")
    refits = {row["what"]: row["an_hour"] for row in found["refits"]}
    registry = found["registry"]
    size = {(row["design"], row["persons"]): row for row in registry["growth"]}
    hours = {row["design"]: all_hours(row["design"], registry, 100_000) for row in registry["posterior"]}
    small, large = size["light", 1_000], size["light", 100_000]
    memory = [row["peak_mb"] for row in (*registry["growth"], *registry["after"]) if row["persons"] == 100_000]
    values = [
        first["warm"]["ready"],
        first["cold"]["ready"],
        first["warm"]["gradient"] * 1e3,
        trial["ess"] / trial["seconds"]["sample"],
        trial["ess"] / trial["total"],
        pbcseq["ess"] / pbcseq["sampling_cpu_s"] if pbcseq else None,
        pbcseq["ess_a_cpu_s"] if pbcseq else None,
        *(refits[name.partition(", ")[2]] for name in TARGETS["what"] if name.startswith("refits")),
        small["ns_a_person"],
        large["ns_a_person"] / small["ns_a_person"],
        min(size[design, 100_000]["two_over_one"] for design in ("light", "default")),
        max(memory) / 1024,
        hours["light"],
        hours["default"],
    ]
    return dict(zip(TARGETS["what"], values, strict=True))


def all_hours(design: str, registry: Mapping[str, Any], persons: int) -> float | None:
    """Hours to a posterior with a worst bulk ESS of 400: tables to starting points, sampling, and what comes after.

    None where the fit that says how many gradients it takes has not converged.
    """
    size, posterior, after = (
        next(row for row in registry[name] if row["design"] == design and row["persons"] == persons)
        for name in ("growth", "posterior", "after")
    )
    if posterior["hours_enough"] is None:
        return None
    rest = size["ready_cpu_s"] + after["after_cpu_s"] * DRAWS_AFTER / after["draws"]
    return posterior["hours_enough"] + rest / 3600


def rows(values: Mapping[str, float | None]) -> pd.DataFrame:
    """The goals with what was measured beside them, and whether each is met: yes, no, or blank if not measured."""
    table = TARGETS.assign(measured=[values[what] for what in TARGETS["what"]]).astype({"measured": float})
    return table.assign(met=[met(row.measured, row.goal, row.better) for row in table.itertuples()])


def met(value: float, goal: float, better: str) -> str:
    """Whether a value is at the goal or on its better side; blank where there is no value."""
    if pd.isna(value):
        return ""
    return "yes" if (value <= goal if better == "less" else value >= goal) else "no"


def _one(table: Sequence[Mapping[str, Any]], **labels: str) -> Mapping[str, Any] | None:
    """The row with these labels, if there is one."""
    return next((row for row in table if all(row.get(name) == label for name, label in labels.items())), None)
