"""What a configuration asks for beside the fit: checked before it, computed after it, archived in its own groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bayesmodels.config import Config
from bayesmodels.errors import BadInput
from bayesmodels.run_ranks import observed_ranks, rank_group

if TYPE_CHECKING:
    import xarray as xr

    from bayesmodels.config_analyses import DropoutSection


def check_analyses(config: Config, data: Any) -> None:
    """Refuse what these data cannot answer before anything is fitted.

    Raises
    ------
    BadInput
        Every reason why the model is not one for these data; else every problem of `[report]`, `[dropout]` and
        `[rank]`.
    """
    problems = _report_problems(config, config.model.build(data))
    if config.sections.dropout is not None:
        from bayesmodels.fitting.dropout_request import dropout_request

        section = config.sections.dropout
        options = _dropout_options(section, config.sections.report.interval)
        problems += _problems(
            "dropout", config, lambda: dropout_request(config.model, data, section.outcome, section.week, **options)
        )
    if config.sections.rank is not None:
        rank, level = config.sections.rank, config.sections.report.interval
        problems += _problems("rank", config, lambda: observed_ranks(config.model, data, rank, level))
    if problems:
        raise BadInput(problems)


def declared_analyses(
    config: Config, posterior: xr.DataTree, data: Any, on_phase: Callable[[str], None]
) -> dict[str, xr.Dataset]:
    """Compute the groups `dropout_sensitivity` and `rank_analyses` where the configuration asks for them.

    Parameters
    ----------
    config : Config
    posterior : DataTree
        From `fit`; its seed gives each analysis a random stream of its own.
    data : Study
    on_phase : callable
        Told the name of each analysis as it begins.
    """
    from bayesmodels.fitting.settings import DROPOUT_STREAM, IMPUTATION_STREAM, REPLICATE_STREAM, stream_seed

    groups: dict[str, xr.Dataset] = {}
    sections, seed = config.sections, int(posterior.attrs["seed"])
    level = sections.report.interval
    if sections.dropout is not None:
        from bayesmodels.fitting.dropout_sensitivity import dropout_sensitivity

        on_phase("dropout sensitivity")
        groups["dropout_sensitivity"] = dropout_sensitivity(
            config.model, posterior, data, sections.dropout.outcome, sections.dropout.week,
            seed=stream_seed(seed, DROPOUT_STREAM), **_dropout_options(sections.dropout, level),
        )  # fmt: skip
    if sections.rank is not None:
        on_phase("rank analyses")
        seeds = (stream_seed(seed, IMPUTATION_STREAM), stream_seed(seed, REPLICATE_STREAM))
        groups["rank_analyses"] = rank_group(config.model, posterior, data, sections.rank, seeds, level)
    return groups


def _dropout_options(section: DropoutSection, interval: float) -> dict[str, Any]:
    """Keyword arguments of `dropout_sensitivity` and `dropout_request`."""
    from bayesmodels.fitting.leaving import LeavingRule

    return {
        "reference": section.reference,
        "deltas": section.deltas,
        "delta_unit": section.delta_unit,
        "rule": LeavingRule(deaths=section.deaths, terminal=section.terminal, administrative=section.administrative),
        "interval": interval,
    }


def _report_problems(config: Config, built: Any) -> list[str]:
    """Outcomes and weeks of `[report]` that a fit of the built model will not have, a line each."""
    coords = {name: labels or () for name, labels in built.coords.items()}
    outcomes = coords.get("endpoint") or coords.get("outcome") or ()
    weeks, visits = ([float(week) for week in coords.get(dim, ())] for dim in ("week", "visit_week"))
    return [f"{config.path.name}: {line}" for line in config.sections.report.problems(outcomes, weeks, visits)]


def _problems(name: str, config: Config, attempt: Callable[[], object]) -> list[str]:
    """What an attempt is refused for, a line each, under the name of its section."""
    try:
        attempt()
    except BadInput as error:
        return [f"{config.path.name}: [{name}] {problem}" for problem in error.problems]
    return []
