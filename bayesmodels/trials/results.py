"""Results of a study: a folder with tables, figures, a manifest, and a page that is filled from them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from bayesmodels.files import write_whole
from bayesmodels.posterior.convergence_limits import ConvergenceLimits, Verdict
from bayesmodels.safe_labels import table_csv
from bayesmodels.trials.loop import Record

LIMITS = ConvergenceLimits()
DIGITS = "%.6g"
"""Of the numbers in a study's tables."""


@dataclass(frozen=True)
class Results:
    """What a study found.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        By the name of their csv file, without suffix.
    manifest : mapping
        What the manifest says of them: counts, JSON-able.
    figures : mapping of str to bytes
        By the name of their png file, without suffix.
    """

    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]
    figures: Mapping[str, bytes] = field(default_factory=dict)


def write_results(out: Path, found: Results, page: Callable[[Path], str]) -> None:
    """Write tables, figures, manifest.json and README.md into a folder.

    Parameters
    ----------
    out : Path
        Made if it is not there.
    found : Results
    page : callable
        The page of a folder, from the files that are in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, table in found.tables.items():
        write_whole(out / f"{name}.csv", table_csv(table, float_format=DIGITS))
    for name, picture in found.figures.items():
        write_whole(out / f"{name}.png", picture)
    write_whole(out / "manifest.json", (json.dumps(found.manifest, indent=2) + "\n").encode())
    write_whole(out / "README.md", page(out).encode())


def run_once(
    module: str, about: str | None, results: Callable[[], Results], page: Callable[[Path], str],
    arguments: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """Run a study without simulated trials from its command line, ``python -m module --out FOLDER``.

    Parameters
    ----------
    module : str
    about : str, optional
        What it does.
    results, page : callable
        See `Results` and `write_results`.
    arguments : sequence of str, optional
        Default: those of the command line.

    Returns
    -------
    int
        0, the exit status.
    """
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--out", type=Path, required=True)
    write_results(parser.parse_args(arguments).out, results(), page)
    return 0


def read_results(folder: Path) -> dict[str, Any]:
    """Manifest and tables of a study's folder.

    Parameters
    ----------
    folder : Path
        With manifest.json and csv files.

    Returns
    -------
    dict
        `manifest`, and every table by the name of its file without suffix; blank cells are missing, no others.
    """
    tables = {
        path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in sorted(folder.glob("*.csv"))
    }
    return {"manifest": json.loads((folder / "manifest.json").read_text(encoding="utf-8")), **tables}


def rendered(template: Path, context: Mapping[str, Any], block: str | None = None) -> str:
    """A jinja2 template filled in, or one block of it.

    Parameters
    ----------
    template : Path
        It may extend and include templates of its folder and of the folder above.
    context : mapping
        The filter ``f`` formats: ``{{ share | f(".0%") }}``.
    block : str, optional
        Name of the block wanted, without the white space around it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    places = [template.parent, template.parent.parent]
    environment = Environment(
        loader=FileSystemLoader(places), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["f"] = format
    page = environment.get_template(template.name)
    if block is None:
        return page.render(context)
    return "".join(page.blocks[block](page.new_context(dict(context)))).strip()


def fits_table(records: Sequence[Record]) -> pd.DataFrame:
    """Convergence and CPU seconds of refits.

    Parameters
    ----------
    records : sequence of dict
        From `run_study`, with what `refit.judged` gives.

    Returns
    -------
    DataFrame
        One row per trial, with everything in its record but estimates and ranks. `converged` by the package's verdict;
        in records made before there were three grades, by its one limit of then.
    """
    table = pd.DataFrame(records).drop(columns=["parameters", "process", "ranks"], errors="ignore")
    earlier = (
        (table["max_rhat"] <= LIMITS.rhat)
        & (table[["min_ess_bulk", "min_ess_tail"]].min(axis=1) >= LIMITS.ess)
        & (table["divergences"] == 0)
        & (table["min_ebfmi"] >= LIMITS.ebfmi)
    )
    graded = table["verdict"] if "verdict" in table else pd.Series(None, table.index, object)
    return table.assign(converged=(graded != "not_converged").where(graded.notna(), earlier))


def convergence_counts(fits: pd.DataFrame) -> dict[str, Any]:
    """Number of refits that have each grade of convergence, and that fail each limit.

    Parameters
    ----------
    fits : DataFrame
        From `fits_table`.

    Returns
    -------
    dict
        JSON-able; without `grades` where a record was made before there were three.
    """
    graded = "verdict" in fits and fits["verdict"].notna().all()
    grades = {name: int((fits["verdict"] == name).sum()) for name in get_args(Verdict)} if graded else {}
    return {
        "converged_by_the_package_verdict": int(fits["converged"].sum()),
        **({"grades": grades} if grades else {}),
        "rhat_above_1.01": int((fits["max_rhat"] > LIMITS.rhat).sum()),
        "rhat_above_1.05": int((fits["max_rhat"] > LIMITS.worst_rhat).sum()),
        "ess_below_400": int((fits[["min_ess_bulk", "min_ess_tail"]].min(axis=1) < LIMITS.ess).sum()),
        "ess_below_100": int((fits[["min_ess_bulk", "min_ess_tail"]].min(axis=1) < LIMITS.worst_ess).sum()),
        "fits_with_divergences": int((fits["divergences"] > 0).sum()),
        "median_min_ess_bulk": float(fits["min_ess_bulk"].median()),
        "median_max_rhat": float(fits["max_rhat"].median()),
    }


def grades_said(counts: Mapping[str, Any], n: int) -> str:
    """Sentence on how many of n fits have each grade; without grades, on how many converged.

    Parameters
    ----------
    counts : mapping
        From `convergence_counts`.
    n : int
        Fits in all.

    Returns
    -------
    str
    """
    if "grades" not in counts:
        return f"{counts['converged_by_the_package_verdict']} of {n} converged"
    found = counts["grades"]
    return f"{found['ok']} of {n} are ok, {found['short']} short and {found['not_converged']} not converged"
