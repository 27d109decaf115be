"""Protocol of an analysis: a value whose groups are computed after a fit, from model, data and posterior."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from bayesmodels.errors import BadInput, BayesmodelsError
from bayesmodels.fitting.settings import stream_seed

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from bayesmodels.fitting.compiled_model import CompiledModel

STANDARD_GROUPS = (
    "posterior", "sample_stats", "prior", "log_likelihood", "person_elpd", "observed_summary", "predictive_summary",
    "trial_terms",
)  # fmt: skip
"""Groups that a fit writes itself: no analysis may bear their names."""


@dataclass(frozen=True)
class Fit:
    """A fit as an analysis sees it.

    Parameters
    ----------
    model : Model
    pm_model : pm.Model
        The model built on the data, once for the whole fit.
    data : Study, MeansTable, TrialTable or what the model takes
    posterior : xr.DataTree
        With its root attributes and the groups made so far.
    compile : callable
        Gives the compiled model; compiles at the first call only.
    on_phase : callable
        Told the name of each phase as it begins.
    """

    model: Any
    pm_model: pm.Model
    data: Any
    posterior: xr.DataTree
    compile: Callable[[], CompiledModel]
    on_phase: Callable[[str], None]

    @property
    def compiled(self) -> CompiledModel:
        """The compiled model, as it was sampled; it takes new data (``compiled.with_data``)."""
        return self.compile()

    def seed(self, name: str) -> int:
        """Return the seed of the random stream of that name, derived from the fit's own seed."""
        return stream_seed(int(self.posterior.attrs["seed"]), name)


class Analysis(Protocol):
    """An analysis: a frozen pydantic value.

    Attributes
    ----------
    groups : tuple of str
        Groups of the posterior that it makes.

    Notes
    -----
    What an analysis may have besides: a field `interval`, which a configuration fills from `[report]` where the
    analysis gives none; `section`, its title in messages; ``event_words(model)``, where it takes labels of events, each
    word to the label it takes; ``model_problems(model, persons)``, the problems that are known before the tables are
    read (`persons`: whether these are of persons).
    """

    groups: ClassVar[tuple[str, ...]]

    def problems(self, model: Any, data: Any) -> list[str]:
        """Return why model and data cannot answer it, one line each; asked before anything is sampled."""
        ...

    def compute(self, fit: Fit) -> Mapping[str, xr.Dataset]:
        """Return datasets by name, the names among `groups`; a group that does not apply is left out."""
        ...


def expect_analyses(analyses: Any, shared: Collection[str]) -> tuple[Analysis, ...]:
    """Refuse what is no analysis, and analyses whose groups would replace one another's.

    Parameters
    ----------
    analyses : sequence of Analysis
    shared : collection of str
        Groups that every posterior gets, which an analysis may complete or replace.

    Raises
    ------
    BadInput
        Says what was expected and what came.
    """
    if not isinstance(analyses, list | tuple):
        raise BadInput(f"analyses: expected a tuple of analyses, got {type(analyses).__name__}; write analyses=(x,)")
    problems: list[str] = []
    owner = dict.fromkeys(STANDARD_GROUPS, "the fit itself")
    for analysis in analyses:
        if isinstance(analysis, type) or not all(hasattr(analysis, k) for k in ("groups", "problems", "compute")):
            came = f"the class {analysis.__name__}" if isinstance(analysis, type) else type(analysis).__name__
            problems.append(f"analyses: expected values with groups, problems and compute, got {came}")
            continue
        problems += [
            f"analyses: expected a group to be made once, found {group!r} made by {owner[group]} and {title(analysis)}"
            for group in analysis.groups
            if group in owner
        ]
        owner |= {group: title(analysis) for group in analysis.groups if group not in shared}
    if problems:
        raise BadInput(problems)
    return tuple(analyses)


def title(analysis: Analysis) -> str:
    """Section of a configuration that stands for an analysis, such as ``[dropout]``; else the name of its class."""
    return getattr(analysis, "section", type(analysis).__name__)


def event_parts(model: Any, analyses: Iterable[Analysis]) -> dict[str, dict[str, str]]:
    """Words for events that each analysis takes, each to the label of the events table, by the analysis's title."""
    return {title(each): each.event_words(model) for each in analyses if hasattr(each, "event_words")}


def analysis_problems(model: Any, data: Any, analyses: Iterable[Analysis]) -> list[str]:
    """Why these model and data cannot answer the analyses, one line each under the analysis's title."""
    return [told(title(each), problem) for each in analyses for problem in each.problems(model, data)]


def told(place: str, problem: str) -> str:
    """Return a problem under the name of its place."""
    return f"{place}{':' if problem.startswith('expected') else ''} {problem}"


def computed(analysis: Analysis, fit: Fit) -> dict[str, xr.Dataset]:
    """Compute the groups of an analysis that have variables.

    Raises
    ------
    BayesmodelsError
        It made a group that it does not name.
    """
    found = analysis.compute(fit)
    other = [name for name in found if name not in analysis.groups]
    if other:
        raise BayesmodelsError(
            f"{title(analysis)}: expected groups among its own ({', '.join(analysis.groups)}), got {', '.join(other)}"
        )
    return {name: group for name, group in found.items() if group.data_vars}
