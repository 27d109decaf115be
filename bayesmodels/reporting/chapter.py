"""A chapter of a report: its tables, figures, sections, lines of the first screen and part of ``summary.json``."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import require_draws
from bayesmodels.posterior.context import AS_RANDOMISED_BUT, FitContext, read_context
from bayesmodels.posterior.differences import differences
from bayesmodels.posterior.estimand import all_persons, open_label
from bayesmodels.posterior.observed import ObservedPersons, observed_persons
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.surrogacy.evidence import SurrogateEvidence, surrogate_evidence
from bayesmodels.surrogacy.magnitude.levels import magnitude_of_fit, magnitude_of_trials
from bayesmodels.surrogacy.magnitude.result import Magnitude
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence, trial_evidence
from bayesmodels.surrogacy.trial_level.new_trial import TrialPrediction, prediction_of
from bayesmodels.surrogacy.verdict import Verdict
from bayesmodels.vocabulary import made_by

Tables = Mapping[str, pd.DataFrame]
"""Tables by name: numbers unrounded, units in a column."""

Makers = Mapping[str, Callable[[], Figure]]
"""What draws each figure, by name."""

Layouts = Mapping[str, Layout | None]
"""How tables are read as analysis results, by name of the table; None of one that holds no results."""


@dataclass(frozen=True)
class Needs:
    """What a chapter reads of a posterior.

    Parameters
    ----------
    variables : tuple of str
        Published variables, of which any one will do.
    groups : tuple of str
        Groups, all of them.
    made_by : str
        The line of a configuration, or the call, that makes them; by default what the vocabulary says of the first.
    """

    variables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    made_by: str = ""

    def met(self, tree: xr.DataTree) -> bool:
        """Whether a posterior has them.

        Parameters
        ----------
        tree : xr.DataTree
            A posterior.

        Returns
        -------
        bool
            True where every group and any one of the variables is there.
        """
        published = tree["posterior"].data_vars
        return set(self.groups) <= set(tree.children) and (
            not self.variables or any(name in published for name in self.variables)
        )

    @property
    def remedy(self) -> str:
        """The line or call that makes them; blank where none is known."""
        known = [made_by(name) for name in (*self.variables, *self.groups) if made_by(name)]
        return self.made_by or next(iter(known), "")


@dataclass(frozen=True)
class LeadLines:
    """What a chapter says on the first screen.

    Parameters
    ----------
    identified, not_identified : sequence of str
        What the data identify and what they do not, a sentence each.
    verdicts : sequence of Verdict
    opening : sequence of str
        Paragraphs in place of the one on model and data.
    rule : str
        The rule by which lines are sorted, in place of the common one; with `opening` and without it, none is said.
    """

    identified: Sequence[str] = ()
    not_identified: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    opening: Sequence[str] = ()
    rule: str = ""


@dataclass(frozen=True)
class Reading:
    """A posterior as it is read for one report.

    Parameters
    ----------
    tree : xr.DataTree
    context : FitContext
    settings : ReportSettings
    observed : ObservedPersons
    tables : dict of str to DataFrame
        By name, none of them empty: those of earlier chapters while a chapter makes its own, then all.
    figures : LazyFigures
        By name; all of them where sections are written.
    """

    tree: xr.DataTree
    context: FitContext
    settings: ReportSettings
    observed: ObservedPersons
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: LazyFigures = field(default_factory=lambda: LazyFigures({}))

    @property
    def prob(self) -> float:
        """Probability of the equal-tailed intervals."""
        return self.settings.interval

    @property
    def label(self) -> str:
        """Kind and level of the intervals, e.g. "95 % ETI"."""
        return self.settings.interval_label

    @property
    def after_switch(self) -> str:
        """Which comparisons are open label after the switch, after a space; blank where nobody switches."""
        said = open_label(self.context)
        return f" {said}" if said else ""

    @property
    def comparison(self) -> str:
        """Whom comparisons describe, and which of them are open label after the switch."""
        return f"For {all_persons(self.context)}. {open_label(self.context) or self._as_randomised()}"

    def _as_randomised(self) -> str:
        how = AS_RANDOMISED_BUT if self.context.borrows else "as randomised"
        if self.context.staggered:
            return f"Every comparison is {how} to the end."
        return f"Active and control are compared {how} to the end."

    def publishes(self, name: str) -> bool:
        """Whether the posterior has a variable.

        Parameters
        ----------
        name : str
            Of the vocabulary.
        """
        return name in self.tree["posterior"].data_vars

    def posterior(self, name: str) -> xr.DataArray:
        """Draws of a published variable, dims (chain, draw, ...), without coordinates that are no dims.

        Parameters
        ----------
        name : str
            Of the vocabulary.
        """
        return self.tree["posterior"][name].reset_coords(drop=True)

    def difference(self, group: str = "posterior") -> xr.DataArray | None:
        """Draws of every contrast over weeks (`posterior.differences`); None of a prior that is not archived.

        Parameters
        ----------
        group : {"posterior", "prior"}
        """
        if group not in self.tree.children or "difference" not in self.tree[group].data_vars:
            return None
        return differences(self.tree, self.context, group)

    def delta_cells(self, points: Container[str], outcome: str | None = None) -> Iterator[tuple[dict[str, Any], float]]:
        """Cells of the page's table of differences at chosen points, each once, with the sign that favours early start.

        Parameters
        ----------
        points : container of str
            Of `delta_1`, `delta_2`, ...
        outcome : str, optional
            Only its cells.

        Yields
        ------
        dict, float
            `outcome`, `stratum`, `contrast`, `point`, `week`, `unit`, `direction`, `withheld`; the sign is NaN where
            there is no good direction.
        """
        deltas = self.tables.get("deltas")
        if deltas is None:
            return
        by_label = {contrast.label: contrast for contrast in self.context.contrasts}
        chosen = deltas[[point in points for point in deltas["point"]]]
        if outcome is not None:
            chosen = chosen[chosen["outcome"] == outcome]
        names = ("outcome", "stratum", "contrast", "point", "week", "unit", "direction", "withheld")
        for row in chosen.drop_duplicates(["outcome", "contrast", "stratum", "week"]).to_dict("records"):
            sign = by_label[row["contrast"]].sign(self.context.outcomes[row["outcome"]])
            yield {name: row[name] for name in names}, sign

    def prior(self, name: str) -> xr.DataArray | None:
        """The same of the prior; None where it is not archived.

        Parameters
        ----------
        name : str
            Of the vocabulary.
        """
        if "prior" not in self.tree.children or name not in self.tree["prior"].data_vars:
            return None
        return self.tree["prior"][name].reset_coords(drop=True)

    def pictures(self, start: str, alt: str, caption: str = "") -> list[Picture]:
        """The figures whose names start so, with the same words for each.

        Parameters
        ----------
        start : str
            First letters of the figures' names.
        alt : str
            What they show, for readers who do not see them.
        caption : str
        """
        return [Picture(self.figures.maker(name), alt, caption) for name in self.figures if name.startswith(start)]

    @cached_property
    def surrogate(self) -> SurrogateEvidence | None:
        """Evidence on the surrogate that the settings declare; None where they declare none."""
        chosen = self.settings
        if chosen.surrogate is None or chosen.outcome is None:
            return None
        important = chosen.important_difference.get(chosen.outcome)
        return surrogate_evidence(
            self.tree, self.context, self.observed, chosen.surrogate, chosen.outcome, chosen.surrogacy,
            level=self.prob, important_difference=important,
        )  # fmt: skip

    @property
    def evidence(self) -> SurrogateEvidence:
        """`surrogate`, for chapters that show a table made from it."""
        assert self.surrogate is not None
        return self.surrogate

    @cached_property
    def trials(self) -> TrialEvidence | None:
        """Evidence of a trial-level model; None where the posterior is not of one."""
        chosen = self.settings
        return trial_evidence(
            self.tree, chosen.interval, chosen.margin, chosen.trial_verdict, not self.context.unconverged
        )

    @cached_property
    def new_trial(self) -> TrialPrediction | None:
        """Prediction for the new trial that the settings name; None without one, or without a trial-level model."""
        asked = self.settings.new_trial
        return None if asked is None or self.trials is None else prediction_of(self.trials, asked, self.prob)

    @cached_property
    def magnitude(self) -> Magnitude | None:
        """What reductions of the surrogate imply; None without a surrogate, or where percent mean nothing of it."""
        chosen = self.settings
        if self.trials is not None:
            return magnitude_of_trials(self.trials, chosen.interval, chosen.reductions)
        if self.surrogate is None:
            return None
        important = chosen.important_difference.get(self.surrogate.declared.outcome.name)
        return magnitude_of_fit(self.tree, self.context, self.observed, self.surrogate, chosen.reductions, important)


class Chapter(Protocol):
    """A chapter of a report; a class that inherits it writes the methods that it has something to say in.

    A posterior without what it `needs` leaves it out, and the page says so.

    Attributes
    ----------
    name : str
        As the page lists it where it is left out, and its key under `chapters` in ``summary.json``.
    needs : Needs
    shows : str
        A table of its own without which it has nothing else: no figures, sections, lines or part of the summary.
        Blank: it always has them.
    """

    name: str
    needs: Needs = Needs()
    shows: str = ""

    def tables(self, reading: Reading) -> Tables:
        """Make its tables.

        Parameters
        ----------
        reading : Reading
            With the tables of earlier chapters.

        Returns
        -------
        mapping of str to DataFrame
            By name; empty ones are dropped.
        """
        return {}

    def layouts(self, reading: Reading) -> Layouts:
        """Say how its tables are read as analysis results (`ard`), where the names of their columns do not.

        Parameters
        ----------
        reading : Reading
            With the tables of every chapter.

        Returns
        -------
        mapping of str to Layout or None
            By table; None of a table that holds no results.
        """
        return {}

    def figures(self, reading: Reading) -> Makers:
        """Make its figures.

        Parameters
        ----------
        reading : Reading
            With the tables of every chapter.

        Returns
        -------
        mapping of str to callable
            What draws each, by name.
        """
        return {}

    def section(self, reading: Reading) -> Section | Iterable[Section]:
        """Write its part of the page.

        Parameters
        ----------
        reading : Reading
            With the tables and figures of every chapter.

        Returns
        -------
        Section or iterable of Section
            In the order of the page; none where it has nothing to say.
        """
        return ()

    def lead(self, reading: Reading) -> LeadLines:
        """Write its lines of the first screen.

        Parameters
        ----------
        reading : Reading
            With the tables and figures of every chapter.

        Returns
        -------
        LeadLines
            Of chains that did not converge, only opening and verdicts are shown.
        """
        return LeadLines()

    def summary(self, reading: Reading) -> Mapping[str, Any]:
        """Give its part of ``summary.json``.

        Parameters
        ----------
        reading : Reading
            With the tables and figures of every chapter.

        Returns
        -------
        mapping of str to any
            JSON types and numbers of NumPy; NaN is written as null. An empty one is left out.
        """
        return {}


_WORDS = ("name", "needs", "shows", "tables", "layouts", "figures", "section", "lead", "summary")
"""What a chapter has; all but `name` it inherits."""


def fill(reading: Reading, chapters: Sequence[Chapter]) -> list[Chapter]:
    """Have chapters make their tables, one after the other, and then their figures.

    Parameters
    ----------
    reading : Reading
        Gets the tables and figures.
    chapters : sequence of Chapter

    Returns
    -------
    list of Chapter
        Those that have something to show, in their order.

    Raises
    ------
    BadInput
        `chapters` is no list or tuple; a chapter is a class or no chapter, or has a name that an earlier one has, or
        makes a table or figure of such a name.
    """
    if not isinstance(chapters, list | tuple):
        came = type(chapters).__name__
        raise BadInput(f"chapters: expected a tuple of chapters, got {came}; write chapters=(*CHAPTERS, x)")
    names = set[str]()
    for chapter in chapters:
        if isinstance(chapter, type):
            raise BadInput(f"chapters: expected values, got the class {chapter.__name__}; write {chapter.__name__}()")
        absent = [word for word in _WORDS if not hasattr(chapter, word)]
        if absent:
            came = f"{type(chapter).__name__} without {', '.join(absent)}"
            raise BadInput(f"chapters: expected values of classes that inherit Chapter and have a name, got {came}")
        if chapter.name in names:
            raise BadInput(f"chapters: expected each name once, got two named {chapter.name!r}")
        names.add(chapter.name)
    made = [chapter for chapter in chapters if chapter.needs.met(reading.tree)]
    for chapter in made:
        tables = {name: table for name, table in chapter.tables(reading).items() if len(table)}
        _refuse_twice(chapter, "table", tables, reading.tables)
        reading.tables.update(tables)
    shown = [chapter for chapter in made if not chapter.shows or chapter.shows in reading.tables]
    for chapter in shown:
        makers = chapter.figures(reading)
        _refuse_twice(chapter, "figure", makers, reading.figures)
        reading.figures.add(makers)
    return shown


def _refuse_twice(chapter: Chapter, kind: str, found: Iterable[str], there: Container[str]) -> None:
    twice = [name for name in found if name in there]
    if twice:
        raise BadInput(f"chapter {chapter.name!r}: expected new names, got a {kind} {twice[0]!r} of an earlier chapter")


def read(tree: xr.DataTree, settings: ReportSettings | None = None) -> Reading:
    """Read a posterior for a report, and check that it can answer what the settings ask.

    Parameters
    ----------
    tree : xr.DataTree
    settings : ReportSettings, optional

    Returns
    -------
    Reading
        Without tables and figures.

    Raises
    ------
    MissingVariable
        No group `posterior`.
    BadInput
        Every week and outcome of the settings that the posterior does not have.
    """
    settings = settings or ReportSettings()
    require_draws(tree)
    context = read_context(tree, settings.convergence)
    coords, variables = tree["posterior"].coords, tree["posterior"].data_vars
    weeks, visits = (coords[dim].values.tolist() if dim in coords else [] for dim in ("week", "visit_week"))
    problems = list(settings.problems(context.outcomes, weeks, visits if "visit_mean" in variables else ()))
    if problems:
        raise BadInput(problems)
    return Reading(tree, context, settings, observed_persons(tree, context.data))
