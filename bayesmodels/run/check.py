"""Checks before anything is fitted: of a configuration, of the tables that it names, and of the two together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bayesmodels.analyses.analysis import analysis_problems, event_parts
from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.models.labels import events_taken
from bayesmodels.run.config import Config, read_config, read_toml
from bayesmodels.run.sections import StudySection
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import likely_answers, study_questions
from bayesmodels.study.problem import Problem

if TYPE_CHECKING:
    import pymc as pm


def checked_model(config: Config, data: Any) -> pm.Model:
    """Build the model, and refuse what these data cannot answer.

    Raises
    ------
    BadInput
        Analyses that would replace one another's groups; else what must be said of labels of events; else every reason
        why the model is not one for these data; else every problem of `[report]` and of the analyses.
    """
    from bayesmodels.fitted import checked_analyses

    checked_analyses(config.analyses)
    if isinstance(data, Study):
        asked = study_questions(data, _words(config))
        if asked:
            raise BadInput(asked)
    built = config.model.build(data)
    coords = {name: labels or () for name, labels in built.coords.items()}
    outcomes = coords.get("endpoint") or coords.get("outcome") or ()
    weeks, visits = ([float(week) for week in coords.get(dim, ())] for dim in ("week", "visit_week"))
    problems = [
        *config.report.problems(outcomes, weeks, visits),
        *analysis_problems(config.model, data, config.analyses),
    ]
    if problems:
        raise BadInput(f"{config.path.name}: {problem}" for problem in problems)
    return built


def data_warnings(config: Config, data: Any) -> tuple[Problem, ...]:
    """What is doubtful in the data for what a configuration makes of them, beside what `checked_model` asks about."""
    from bayesmodels.models.doubtful_data import all_warnings

    known = isinstance(data, Study) and data.events is not None
    asked = likely_answers(data.events, _words(config), data.event_labels, data.distinct_labels) if known else ()
    return all_warnings(config.model, data, event_parts(config.model, config.analyses), asked)


def independent_walks(config: Config) -> list[str]:
    """That the random walks of the declared surrogate and outcome are independent: the individual level stays open."""
    report, model = config.report, config.model
    pair = {report.surrogate, report.outcome}
    walking = {k.name for k in getattr(model, "outcomes", ()) if getattr(k, "random_walk_sd", None) is not None}
    if getattr(model, "walk_correlation", None) != "independent" or not pair <= walking:
        return []
    return [
        f"{config.path.name}: [report] surrogate: the model takes the random walks of {report.surrogate} and "
        f"{report.outcome} as independent, which alone can keep their R2 within arms so low that the individual level "
        "is not assessable; walk_correlation = 1.0 under [model] lets them go together"
    ]


def _words(config: Config) -> list[dict[str, str]]:
    """Words for events of the model and of each analysis, each to the label of the events table that it takes."""
    return [events_taken(config.model), *event_parts(config.model, config.analyses).values()]


def checked(path: str | Path) -> tuple[list[str], list[str]]:
    """Check a study's folder, or a configuration and the tables it names.

    Returns
    -------
    problems, warnings : list of str
        What is refused, and what is legitimate but doubtful; one plain line each.
    """
    return checked_data(path)[:2]


def checked_data(path: str | Path) -> tuple[list[str], list[str], Any]:
    """As `checked`, with the data that a configuration names; None for a folder, and where they cannot be read."""
    from bayesmodels.study import problems, warnings

    path = Path(path)
    if path.is_dir():
        return list(problems(path)), list(warnings(path)), None
    if not path.exists():
        return [f"{path}: expected a folder with persons, visits and events, or a TOML file; found neither"], [], None
    found: list[str] = []
    doubtful: list[str] = []
    config = None
    try:
        config = read_config(path)
    except BadConfig as error:
        found += error.problems
    section = config.sections.study if config else _study_alone(path)
    if section is not None:
        tables = section.tables(path.parent)
        found += problems(tables, **section.said_of_labels)
        if config is None or found:
            doubtful += warnings(tables, **section.said_of_labels)
    data = None
    if config is None or found:
        return found, doubtful, data
    try:
        data = config.read()
        doubtful += [*data_warnings(config, data), *independent_walks(config)]
        checked_model(config, data)
    except BadInput as error:
        found += error.problems
    except Exception as error:  # of a model of one's own
        found.append(f"{path.name}: [model]: cannot be built with these data: {type(error).__name__}: {error}")
    return found, doubtful, data


def _study_alone(path: Path) -> StudySection | None:
    """Read the `[study]` of a configuration that has problems elsewhere."""
    try:
        return StudySection.model_validate(read_toml(path)[1]["study"])
    except (BadConfig, KeyError, ValidationError):
        return None
