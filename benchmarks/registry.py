"""Registries of 100 to 100,000 persons, ten visits, two outcomes: a gradient, memory, the file, hours to a posterior.

    python benchmarks/registry.py [--persons 100 1000 10000 100000] [--sampled N] [--draws 200 --tune 300]
        [--designs light default] [--out registry.json]

Every measurement is a process of its own. A gradient is the whole compiled model's, CPU time of its thread, the least
of repeats. "Two at once": two threads call the compiled function as nutpie's chains do, without the interpreter's lock.
`both_at_once` is the share of the time in which calls of both were under way, near 1 without a lock and 0 under one,
however busy the machine; `processors` how many it gave them; `two_over_one` how much faster two are than one where both
have a processor, from CPU time: 2 unless they wait for memory, give or take a tenth. `page_faults` of one gradient:
where its arrays are too large for malloc to keep, the system gives it fresh pages at every call.

A registry of 10,000 persons, with the default model 2,000, or `--sampled`, is fitted by two chains, saved, and its file
weighed. Hours are of sampling on two cores from the gradients that this fit took: at the default settings, and with
draws until the worst bulk ESS is 400, which a fit that has not converged cannot say. At sizes that were not fitted they
are extrapolated: a gradient is measured there, their number is taken from the fit. What is done after sampling is
measured at the largest size too, at the draws of that fit (repeated or thinned).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from registries import DESIGNS, model_of, study_of, tables

PERSONS = (100, 1_000, 10_000, 100_000)
VISITS = (5, 10, 20, 40, 80)
PERSONS_OF_VISITS = 1_000
DEFAULT = {"chains": 4, "tune": 1000, "draws": 1000}
"""Settings that hours are of."""
AFTER = {"light": 1000, "default": 40}
"""Draws at which a person's density is evaluated at the largest size: a fit takes about 1,000."""
SAMPLED = {"light": 10_000, "default": 2_000}
"""Persons of the registry that is fitted."""
WORST_RHAT = 1.05
"""R-hat above which the draws of a fit say nothing of how many are needed."""
ENOUGH = 400
"""Worst bulk ESS of a posterior whose verdict is ok."""


def peak_mb() -> float:
    """Largest memory that this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def least(function: Any, seconds: float = 2.0, fewest: int = 3) -> float:
    """Least CPU seconds of this thread that a call took, of repeats over some seconds."""
    found: list[float] = []
    while len(found) < fewest or sum(found) < seconds:
        began = time.thread_time()
        function()
        found.append(time.thread_time() - began)
    return min(found)


def under_way(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> float:
    """Seconds in which a call of each thread was under way, from the times at which calls began and ended."""
    total, place = 0.0, 0
    for began, ended in one:
        while place < len(other) and other[place][1] <= began:
            place += 1
        at = place
        while at < len(other) and other[at][0] < ended:
            total += min(ended, other[at][1]) - max(began, other[at][0])
            at += 1
    return total


def at_once(compiled: Any, threads: int, seconds: float = 2.0) -> dict[str, Any]:
    """CPU seconds of every call by threads without the interpreter's lock, processors they had, share of both at once.

    The threads share the starting vector and begin together, and nothing but the calls is timed.
    """
    import numpy as np

    ready = compiled.for_nutpie()
    pointers = (ctypes.c_void_p,) * 4
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *pointers)(ready.compiled_logp_func.address)
    start = compiled.start(0)
    calls: list[list[tuple[float, float]]] = [[] for _ in range(threads)]
    cpu: list[list[float]] = [[] for _ in range(threads)]
    ready_to_go = threading.Barrier(threads)

    def chain(number: int) -> None:
        vector, gradient, value = start.copy(), np.empty(compiled.size), np.empty(1)
        places = [array.ctypes.data for array in (vector, gradient, value, ready.user_data)]
        ready_to_go.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or not calls[number]:
            used, entered = time.thread_time(), time.perf_counter()
            if function(compiled.size, *places):
                raise SystemExit("a start has no finite gradient")
            calls[number].append((entered, time.perf_counter()))
            cpu[number].append(time.thread_time() - used)

    running = [threading.Thread(target=chain, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    wall = max(own[-1][1] for own in calls) - min(own[0][0] for own in calls)
    every = [one for own in cpu for one in own]
    return {"cpu": every, "processors": sum(every) / wall, "both": under_way(calls[0], calls[-1]) / wall}


def two_against_one(compiled: Any, rounds: int = 3) -> dict[str, float]:
    """How much faster two threads are than one where both have a processor; one and two measured in turn."""
    import numpy as np

    one, two = [], []
    for _ in range(rounds):
        one.append(at_once(compiled, 1, 1.0))
        two.append(at_once(compiled, 2, 1.0))
    alone, beside = (np.median(np.concatenate([each["cpu"] for each in found])) for found in (one, two))
    return {
        "two_over_one": float(2 * alone / beside),
        "both_at_once": float(np.median([each["both"] for each in two])),
        "processors": float(np.median([each["processors"] for each in two])),
    }


def gradient(design: str, persons: int) -> dict[str, Any]:
    """One size: CPU seconds to each stage, a gradient, memory."""
    from bayesmodels.fitting import compile_model

    frames = tables(design, persons)
    marks = {"imports and tables": time.process_time()}
    study = study_of(design, *frames)
    marks["study"] = time.process_time()
    del frames
    found: dict[str, Any] = {"study_mb": peak_mb()}
    pm_model = model_of(design).build(study)
    marks["build"] = time.process_time()
    compiled = compile_model(pm_model)
    marks["compile"] = time.process_time()
    start = compiled.start(0)
    seconds = least(lambda: compiled.evaluate(start, *compiled.data.values()))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    compiled.evaluate(start, *compiled.data.values())
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    together = two_against_one(compiled)
    times = list(marks.values())
    stages = {name: b - a for name, a, b in zip(marks, [0.0, *times], times, strict=False)}
    return found | {
        "design": design,
        "persons": persons,
        "numbers": compiled.size,
        "gradient_s": seconds,
        "ns_a_person": seconds / persons * 1e9,
        "page_faults": faults,
        **together,
        "ready_cpu_s": times[-1],
        "study_cpu_s": stages["study"],
        "build_cpu_s": stages["build"],
        "peak_mb": peak_mb(),
    }


def growth_with_visits(design: str) -> list[dict[str, Any]]:
    """A gradient of one compiled model whose data are exchanged for those of more visits."""
    from bayesmodels.fitting import compile_model
    from bayesmodels.models.visits.design import as_data, design_of

    model, compiled, rows = model_of(design), None, []
    for visits in VISITS:
        study = study_of(design, *tables(design, PERSONS_OF_VISITS, visits))
        if compiled is None:
            compiled = compile_model(model.build(study))
        data = as_data(design_of(study, model.outcomes, model.covariates.names), [k.name for k in model.outcomes])
        swapped = compiled.with_data(**{name: array for name, array in data.items() if name in compiled.data})
        start = swapped.start(0)
        seconds = least(lambda s=swapped, at=start: s.evaluate(at, *s.data.values()), 0.5)
        row = {"design": design, "persons": PERSONS_OF_VISITS, "visits": visits, "gradient_s": seconds}
        rows.append(row | {"ns_a_person": seconds / PERSONS_OF_VISITS * 1e9})
    return rows


def sampled(design: str, persons: int, draws: int, tune: int, file: str) -> dict[str, Any]:
    """Fit by two chains, save: gradients, ESS, seconds, memory, bytes."""
    from fit_once import worst_bulk_ess, worst_rhat
    from forms import published_parameters

    from bayesmodels import NutsSettings, fit
    from bayesmodels.fitting import compile_model
    from bayesmodels.posterior import save

    study, model = study_of(design, *tables(design, persons)), model_of(design)
    pm_model = model.build(study)
    compiled = compile_model(pm_model)
    start = compiled.start(0)
    one = least(lambda: compiled.evaluate(start, *compiled.data.values()), 1.0)
    marks: dict[str, tuple[float, float]] = {}

    def note(phase: str) -> None:
        marks[phase] = time.process_time(), time.monotonic()

    settings = NutsSettings(draws=draws, tune=tune, chains=2, cores=2, seed=1, progress=False)
    tree = fit(model, study, settings, pm_model=pm_model, on_phase=note)
    note("fitted")
    save(tree, file)
    judged = published_parameters(tree["posterior"].to_dataset())
    ess, worst = worst_bulk_ess(judged)
    (cpu, wall), (cpu_end, wall_end) = marks["sample"], marks["published variables"]
    kept = int(tree["sample_stats"]["n_steps"].sum())
    group_mb = {name: group.to_dataset().nbytes / 1e6 for name, group in tree.children.items()}
    by_person = [
        f"{name}/{variable}"
        for name in ("posterior", "prior")
        for variable, array in tree[name].data_vars.items()
        if "person" in array.dims
    ]
    return {
        "design": design,
        "persons": persons,
        "chains": 2,
        "draws": draws,
        "tune": tune,
        "kept_gradients": kept,
        "gradients_a_draw": kept / (2 * draws),
        # the sampler does not say what tuning took; its CPU seconds do
        "all_gradients": (cpu_end - cpu) / one,
        "gradient_s": one,
        "sampling_cpu_s": cpu_end - cpu,
        "sampling_wall_s": wall_end - wall,
        "ess": ess,
        "worst": worst,
        "rhat": worst_rhat(judged),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "after_cpu_s": marks["fitted"][0] - cpu_end,
        "peak_mb": peak_mb(),
        "file_mb": os.path.getsize(file) / 1e6,
        "largest_group": max(group_mb, key=lambda name: group_mb[name]),
        "variables_by_person": by_person,
    }


def after(design: str, persons: int, file: str, wanted: int) -> dict[str, Any]:
    """What a fit does after sampling, at draws of another registry's posterior: CPU seconds, memory, bytes."""
    import numpy as np

    from bayesmodels.persons.log_likelihood import likelihood_groups
    from bayesmodels.persons.summaries.visits import visit_summaries
    from bayesmodels.posterior import load

    draws = load(file)["posterior"].to_dataset().isel(chain=[0])
    draws = draws.isel(draw=np.arange(wanted) % draws.sizes["draw"])
    study, model = study_of(design, *tables(design, persons)), model_of(design)
    pm_model = model.build(study)
    began = time.process_time()
    groups = visit_summaries(model, pm_model, study, draws, 1) | likelihood_groups(pm_model, draws)
    return {
        "design": design,
        "persons": persons,
        "draws": wanted,
        "after_cpu_s": time.process_time() - began,
        "peak_mb": peak_mb(),
        "groups_mb": sum(group.nbytes for group in groups.values()) / 1e6,
        "highest_pareto_k": float(np.max(groups["person_elpd"]["pareto_k"])) if "person_elpd" in groups else None,
    }


def gradients_needed(fit: dict[str, Any]) -> dict[str, float | None]:
    """Gradients of the default settings, and of the same tuning with draws until the worst ESS is enough.

    `fit`: a row of `sampled`. Tuning of another length is taken to cost as much a draw. None of a fit whose chains
    differ.
    """
    tuning = (fit["all_gradients"] - fit["kept_gradients"]) / (fit["chains"] * fit["tune"])
    default = DEFAULT["chains"] * (DEFAULT["tune"] * tuning + DEFAULT["draws"] * fit["gradients_a_draw"])
    enough = fit["chains"] * fit["tune"] * tuning + fit["kept_gradients"] * ENOUGH / fit["ess"]
    return {"default": default, "enough": enough if fit["rhat"] <= WORST_RHAT else None}


def hours(gradients: float | None, gradient_s: float, two_over_one: float) -> float | None:
    """Hours of wall time on two cores, chains two at once; None of an unknown number of gradients.

    Two are at most twice as fast as one: what is measured above that is noise.
    """
    return None if gradients is None else gradients * gradient_s / min(two_over_one, 2.0) / 3600


def posterior_rows(growth: list[dict[str, Any]], fits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hours to a posterior by design and size; extrapolated but at the size that was sampled."""
    rows = []
    for fit in fits:
        needed = gradients_needed(fit)
        for size in (row for row in growth if row["design"] == fit["design"]):
            cost = {name: hours(n, size["gradient_s"], size["two_over_one"]) for name, n in needed.items()}
            rows.append(
                {
                    "design": size["design"],
                    "persons": size["persons"],
                    "gradients_default": needed["default"],
                    "hours_default": cost["default"],
                    "gradients_enough": needed["enough"],
                    "hours_enough": cost["enough"],
                    "extrapolated": "from draws" if size["persons"] == fit["persons"] else "from draws and size",
                }
            )
    return rows


def child(*arguments: Any) -> Any:
    """Run this file's function in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def measured(
    persons: list[int], designs: list[str], sampled_persons: int | None, draws: int, tune: int
) -> dict[str, Any]:
    """All tables."""
    found: dict[str, Any] = {"growth": [], "visits": [], "fits": [], "after": []}
    with tempfile.TemporaryDirectory() as folder:
        for design in designs:
            child("gradient", design, min(persons))  # compiles, so that none of the others does
            found["growth"] += [child("gradient", design, n) for n in persons]
            found["visits"] += child("growth_with_visits", design)
            at = SAMPLED[design] if sampled_persons is None else sampled_persons
            if at:
                file = str(Path(folder) / f"{design}.nc")
                found["fits"].append(child("sampled", design, at, draws, tune, file))
                if max(persons) > at:
                    found["after"].append(child("after", design, max(persons), file, AFTER[design]))
    return found | {"posterior": posterior_rows(found["growth"], found["fits"])}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", nargs="+", type=int, default=list(PERSONS))
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--sampled", type=int, help="persons of the registry that is fitted; 0: none")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--tune", type=int, default=300)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, *arguments = given.child
        functions = {f.__name__: f for f in (gradient, growth_with_visits, sampled, after)}
        print(json.dumps(functions[name](*arguments)))
        return
    from rich.console import Console
    from rich.table import Table

    found = measured(given.persons, given.designs, given.sampled, given.draws, given.tune)
    console = Console(width=200)
    for title, rows in found.items():
        if rows:
            table = Table(*rows[0], title=title)
            for row in rows:
                table.add_row(*(f"{v:,.4g}" if isinstance(v, float) else str(v) for v in row.values()))
            console.print(table)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
