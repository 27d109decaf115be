"""What a planned trial's simulations found: power and assurance by cell, curves, sizes, looks; and the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.html_tables import html_table
from bayesmodels.planning.curves import PowerCurve, power_curve
from bayesmodels.planning.design_plan import DesignPlan
from bayesmodels.planning.grid import AXES
from bayesmodels.planning.looks import looks_table, outcomes_of_looks
from bayesmodels.planning.programmes import ProgrammeVerdicts
from bayesmodels.trials.operating import binomial_limits

TARGETS = (0.8, 0.9)
"""Powers whose sizes are looked for unless others are asked for."""

POINTS = 60
"""Sizes at which a curve is tabulated, from the smallest to the largest simulated."""

WHERE = [axis for axis in AXES if axis != "persons"]
"""Coordinates that a curve over sizes holds fixed."""

EVERYWHERE = "in every cell"
"""Where all the curves of an endpoint say the same."""

FAST = "ANCOVA of the change at the week, normal prior (fast; no model is fitted)"


@dataclass(frozen=True)
class PlannedTrial:
    """Power, assurance and sizes of a planned trial, by simulation.

    Attributes
    ----------
    rows : DataFrame
        One row per simulated trial and endpoint, with the cell's coordinates; rows of looks have `kind` "look".
    plan : DesignPlan
    planned : int
        Simulated trials a cell.
    targets : tuple of float
        Powers whose sizes are looked for.
    left_out : tuple of dict
        Combinations of the grid that the generator cannot have.
    programmes : ProgrammeVerdicts or None
    """

    rows: pd.DataFrame
    plan: DesignPlan
    planned: int
    targets: tuple[float, ...] = TARGETS
    left_out: tuple[dict[str, float], ...] = ()
    programmes: ProgrammeVerdicts | None = field(default=None)

    @property
    def analysis(self) -> str:
        """Which analysis stands behind every number."""
        if self.plan.model is None:
            return FAST
        return f"{type(self.plan.model).__name__} fitted by NUTS to every simulated trial"

    @property
    def fits(self) -> pd.DataFrame:
        """One row a simulated trial: status, why it failed, seconds, convergence."""
        columns = ["fit", "cell", "status", "why", "verdict", "cpu_seconds", "compile_seconds", "host", "versions"]
        return self.rows.drop_duplicates("fit")[columns].reset_index(drop=True)

    @property
    def missing(self) -> int:
        """Simulated trials that have no row."""
        return self.planned * len(self.plan.cells) - int(self.rows["fit"].nunique())

    @property
    def status(self) -> str:
        """Whether every planned trial has its row."""
        return "unfinished" if self.missing or (self.programmes is not None and self.programmes.missing) else "finished"

    @property
    def drawn(self) -> int:
        """Analysed trials whose effects were drawn."""
        return int(self._drawn_again.notna().sum())

    @property
    def drawn_again(self) -> int:
        """Draws of their effects that the generator cannot have, in whose place others were drawn."""
        return int(self._drawn_again.sum())

    @property
    def _drawn_again(self) -> pd.Series:
        return self.rows.drop_duplicates("fit").get("drawn_again", pd.Series(dtype=float))

    @property
    def looks_not_analysed(self) -> int:
        """Analyses at looks that could not be made: one group only, too few persons, or a fit that failed."""
        return int(((self.rows["kind"] == "look") & self.rows["probability"].isna()).sum())

    @property
    def fits_at_looks(self) -> pd.DataFrame:
        """One row for each look at which a model was fitted, final analyses excluded: fit, cell, look, convergence."""
        own = self.rows[(self.rows["kind"] == "look") & self.rows["verdict"].notna()]
        if self.plan.model is None or self.plan.interim is None:
            own = own.iloc[:0]
        else:
            own = own[own["look"] <= len(self.plan.interim.fractions)]
        columns = ["fit", "cell", "look", "verdict", "compiled", "max_rhat", "min_ess_bulk", "divergences"]
        return own.drop_duplicates(["fit", "look"])[columns].reset_index(drop=True)

    @property
    def computation(self) -> dict[str, Any]:
        """Trials, failures, verdicts of fits, seconds."""
        fits = self.fits
        return {
            "trials": len(fits),
            "failed": int((fits["status"] == "failed").sum()),
            "verdicts": {str(name): int(count) for name, count in fits["verdict"].value_counts().items()},
            "cpu_seconds": round(float(fits["cpu_seconds"].fillna(0).sum()), 1),
            "compile_cpu_seconds": round(float(fits["compile_seconds"].fillna(0).sum()), 1),
        }

    @cached_property
    def table(self) -> pd.DataFrame:
        """Power, type I error or assurance of each cell and endpoint.

        Columns: cell, endpoint, measure ("power", "type I error", "assurance"), the coordinates (effects NaN where they
        are drawn), outcome, week, difference (true), trials, successes, share with exact binomial 95 % limits, estimate
        (mean of the posterior medians), width (mean of the intervals), analysed (mean number of persons).
        """
        own = self.rows[self.rows["kind"] == "rule"]
        found: list[dict[str, Any]] = []
        for (number, name), each in own.groupby(["cell", "rule"], sort=True):
            cell = self.plan.cells[int(number)]
            n, count = len(each), int(each["success"].sum())
            lower, upper = binomial_limits(count, n)
            found.append(
                {
                    "cell": int(number), "endpoint": name, "measure": _measure(cell.drawn, each), **cell.coordinates,
                    "outcome": each["outcome"].iloc[0], "week": each["week"].iloc[0],
                    "difference": each["truth"].iloc[0], "trials": n, "successes": count, "share": count / n,
                    "lower": lower, "upper": upper, "estimate": each["median"].mean(),
                    "width": (each["upper"] - each["lower"]).mean(), "analysed": each["analysed"].astype(float).mean(),
                }
            )  # fmt: skip
        columns = [
            "cell", "endpoint", "measure", *AXES, "outcome", "week", "difference", "trials", "successes", "share",
            "lower", "upper", "estimate", "width", "analysed",
        ]  # fmt: skip
        order = {endpoint.name: place for place, endpoint in enumerate(self.plan.endpoints)}
        table = pd.DataFrame(found, columns=columns)
        return table.sort_values(
            ["endpoint", "cell"], key=lambda c: c.map(order) if c.name == "endpoint" else c, ignore_index=True
        )

    @cached_property
    def fitted_curves(self) -> list[tuple[dict[str, Any], PowerCurve]]:
        """Power curves over sizes, with what each is of: cells with a favourable fixed effect, two sizes or more."""
        power = self.table[self.table["measure"] == "power"]
        found = []
        for key, each in power.groupby(["endpoint", *WHERE], sort=False, dropna=False):
            if each["persons"].nunique() > 1:
                where = dict(zip(["endpoint", *WHERE], key, strict=True))
                found.append((where, power_curve(each["persons"], each["successes"], each["trials"])))
        return found

    @property
    def curves(self) -> pd.DataFrame:
        """Fitted power at sizes between those simulated: median and 95 % equal-tailed limits."""
        rows = []
        for where, curve in self.fitted_curves:
            for persons in np.unique(np.round(np.linspace(curve.first**0.5, curve.last**0.5, POINTS) ** 2)):
                median, lower, upper = curve.power(float(persons))
                rows.append({**where, "persons": persons, "power": median, "lower": lower, "upper": upper})
        return pd.DataFrame(rows, columns=["endpoint", *WHERE, "persons", "power", "lower", "upper"])

    @cached_property
    def sizes(self) -> pd.DataFrame:
        """Sizes at which the fitted power reaches each target.

        Columns: endpoint, the coordinates, target, persons with 95 % equal-tailed limits (-inf: the smallest size
        simulated has it already; inf: not within the sizes simulated), sentence.
        """
        rows = []
        for where, curve in self.fitted_curves:
            for target in self.targets:
                persons, lower, upper = curve.size(target)
                said = size_said(persons, lower, upper, curve)
                rows.append(
                    {**where, "target": target, "persons": persons, "lower": lower, "upper": upper, "sentence": said}
                )
        return pd.DataFrame(rows, columns=["endpoint", *WHERE, "target", "persons", "lower", "upper", "sentence"])

    @cached_property
    def looks(self) -> pd.DataFrame | None:
        """What interim looks do in each cell: success, errors, stops, expected persons and months; None without."""
        interim = self.plan.interim
        if interim is None or not (self.rows["kind"] == "look").any():
            return None
        endpoint = next(each for each in self.plan.endpoints if each.name == interim.endpoint)
        trials = outcomes_of_looks(self.rows, interim, endpoint)
        trials["cell"] = trials["fit"] % len(self.plan.cells)
        table = looks_table(trials, interim, ("cell",))
        measures = self.table[self.table["endpoint"] == interim.endpoint].set_index("cell")
        own = pd.DataFrame([{"cell": cell.number, **cell.coordinates} for cell in self.plan.cells])
        own["measure"] = own["cell"].map(measures["measure"])
        own["share_without_looks"] = own["cell"].map(measures["share"])
        return own.merge(table, on="cell")

    def sentence(self) -> str:
        """Say which analysis it is, how many trials there are, and the sizes."""
        n = self.computation
        lines = [
            f"{n['trials']:,} of {self.planned * len(self.plan.cells):,} simulated trials in {len(self.plan.cells)} "
            f"cells, {n['failed']:,} failed; {self.analysis}"
        ]
        lines += [
            f"{endpoint}{f' ({at})' if at else ''}: {told}"
            for endpoint, at, told in self.answers(lambda axis, value: f"{axis} {value:g}")
        ]
        if self.sizes.empty:
            for row in self.table.head(20).itertuples():
                share = f"{row.share:.3f} ({row.lower:.3f} to {row.upper:.3f})"
                lines.append(f"{row.endpoint}, {row.persons:g} persons: {row.measure} {share}")
        if self.programmes is not None:
            lines += self.programmes.sentence().splitlines()
        return "\n".join(lines)

    def answers(self, named: Callable[[str, float], str]) -> list[tuple[str, str, str]]:
        """Endpoint, coordinates in words and sentence on the size, for each curve and target; equal ones once.

        Parameters
        ----------
        named : callable
            ``named(axis, value)``: a coordinate in words.
        """
        found = []
        for (endpoint, target), each in self.sizes.groupby(["endpoint", "target"], sort=False):
            if each["sentence"].nunique() == 1 and len(each) > 1:
                found.append((endpoint, EVERYWHERE, f"power {target:g} {each['sentence'].iloc[0]}"))
                continue
            for row in each.itertuples():
                at = ", ".join(named(axis, getattr(row, axis)) for axis in WHERE if axis in self.varied)
                found.append((endpoint, at, f"power {target:g} {row.sentence}"))
        return found

    @property
    def varied(self) -> tuple[str, ...]:
        """Coordinates of which the cells have several values."""
        found = []
        for axis in AXES:
            values = {getattr(cell, axis) for cell in self.plan.cells if axis not in cell.drawn}
            if len(values) > 1:
                found.append(axis)
        return tuple(found)

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return html_table(self.table, "{:.3g}")


def _measure(drawn: Sequence[str], rows: pd.DataFrame) -> str:
    if drawn:
        return "assurance"
    favourable = rows["favourable"]
    if favourable.isna().any():
        return "success"
    return "power" if favourable.astype(bool).all() else "type I error"


def size_said(persons: float, lower: float, upper: float, curve: PowerCurve) -> str:
    """Sentence on the size at which a curve reaches its target.

    Parameters
    ----------
    persons, lower, upper : float
        From `PowerCurve.size`.
    curve : PowerCurve
    """
    first, last = f"{curve.first:,.0f}", f"{curve.last:,.0f}"
    limits = (
        f"95 % interval {_edge(lower, first, last)} to {_edge(upper, first, last)}"
        if lower != upper
        else "the whole 95 % interval"
    )
    if persons == -np.inf:
        return f"is reached at {first} persons, the smallest size simulated, or fewer ({limits})"
    if persons == np.inf:
        return f"is not reached within the grid, {first} to {last} persons ({limits})"
    return f"is reached at {persons:,.0f} persons ({limits})"


def _edge(value: float, first: str, last: str) -> str:
    if value == -np.inf:
        return f"{first} or fewer"
    return f"more than {last}" if value == np.inf else f"{value:,.0f}"
