"""What a configuration asks for beside the fit: checked before it, computed after it, archived in its own groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bayesmodels.analyses.ranks.replicated import observed_ranks, rank_group
from bayesmodels.errors import BadInput
from bayesmodels.models.labels import events_taken
from bayesmodels.run.config import Config
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import likely_answers, study_questions
from bayesmodels.study.problem import Problem

if TYPE_CHECKING:
    import xarray as xr

    from bayesmodels.run.config_analyses import DropoutSection
    from bayesmodels.study.leaving import LeavingRule


def check_analyses(config: Config, data: Any) -> None:
    """Refuse what these data cannot answer before anything is fitted.

    Raises
    ------
    BadInput
        What must be said of labels of events; else every reason why the model is not one for these data; else every
        problem of `[report]`, `[dropout]` and
        `[rank]`.
    """
    if isinstance(data, Study):
        asked = study_questions(data, _words(config))
        if asked:
            raise BadInput(asked)
    problems = _report_problems(config, config.model.build(data))
    if config.sections.dropout is not None:
        from bayesmodels.analyses.dropout.request import dropout_request

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


def event_parts(config: Config) -> dict[str, dict[str, str]]:
    """Words for events that `[dropout]` and `[rank]` take, each to the label of the events table."""
    from bayesmodels.analyses.dropout.request import event_words, terminal_labels
    from bayesmodels.persons.prepared import has_events

    model, sections = config.model, config.sections
    parts = {}
    if sections.dropout is not None:
        parts["[dropout]"] = event_words(model, _leaving_rule(sections.dropout))
    if sections.rank is not None:
        own = terminal_labels(model) if has_events(model) else ()
        dead = own if sections.rank.terminal is None else sections.rank.terminal
        parts["[rank]"] = {label: label for label in dead}
    return parts


def _words(config: Config) -> list[dict[str, str]]:
    """Words for events of the model and of each section, each to the label of the events table that it takes."""
    return [events_taken(config.model), *event_parts(config).values()]


def data_warnings(config: Config, data: Any) -> tuple[Problem, ...]:
    """What is doubtful in the data for what a configuration makes of them, beside what `check_analyses` asks about."""
    from bayesmodels.models.doubtful_data import all_warnings

    known = isinstance(data, Study) and data.events is not None
    asked = likely_answers(data.events, _words(config), data.event_labels, data.distinct_labels) if known else ()
    return all_warnings(config.model, data, event_parts(config), asked)


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
        from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity

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
    return {
        "reference": section.reference,
        "deltas": section.deltas,
        "delta_unit": section.delta_unit,
        "rule": _leaving_rule(section),
        "interval": interval,
    }


def _leaving_rule(section: DropoutSection) -> LeavingRule:
    from bayesmodels.study.leaving import LeavingRule

    return LeavingRule(deaths=section.deaths, terminal=section.terminal, administrative=section.administrative)


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
