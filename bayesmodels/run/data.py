"""The data of a run: the tables that a configuration names, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.run.analyses import check_analyses, data_warnings
from bayesmodels.run.config import Config, StudySection, TrialsSection, read_config, read_toml


def load_data(config: Config) -> Any:
    """Read the tables that a configuration names.

    Returns
    -------
    Study, MeansTable or TrialTable

    Raises
    ------
    BadInput
        Every problem of the tables.
    """
    section = config.sections.study
    if section is not None:
        from bayesmodels.study import read_study

        return read_study(
            _table_paths(section, config.path.parent),
            name=config.name,
            reference_group=section.reference_group,
            strata=section.strata,
            controlled_week=section.controlled_week,
            curve_weeks=section.curve_weeks,
            **_said_of_labels(section),
        )
    given = config.sections.data
    assert given is not None  # read_config requires one of the two
    if isinstance(given, TrialsSection):
        return _trials(given, config)
    options = given.model_dump(exclude={"name", "table"}, exclude_none=True) | {"name": config.name}
    if given.is_file:
        from bayesmodels.study import read_means

        return read_means(config.path.parent / given.table, **options)
    from bayesmodels.study.evidence import means_table

    return means_table(**options)


def _trials(given: TrialsSection, config: Config) -> Any:
    if not given.is_file:
        from bayesmodels.study.evidence import trial_table

        return trial_table(given.valor or "whole", one_sided=given.one_sided, name=config.name)
    from bayesmodels.study import Endpoint, read_trials

    return read_trials(
        config.path.parent / given.table,
        surrogate=Endpoint(given.surrogate or "surrogate", given.surrogate_unit or "", given.surrogate_good),
        outcome=Endpoint(given.outcome or "outcome", given.outcome_unit or "", given.outcome_good),
        one_sided=given.one_sided,
        name=config.name,
        distinct_labels=given.distinct_labels or (),
    )


def checked(path: str | Path) -> tuple[list[str], list[str]]:
    """Check a study's folder, or a configuration and the tables it names.

    Returns
    -------
    problems, warnings : list of str
        What is refused, and what is legitimate but doubtful; one plain line each.
    """
    from bayesmodels.study import problems, warnings

    path = Path(path)
    if path.is_dir():
        return list(problems(path)), list(warnings(path))
    if not path.exists():
        return [f"{path}: expected a folder with persons, visits and events, or a TOML file; found neither"], []
    found: list[str] = []
    doubtful: list[str] = []
    config = None
    try:
        config = read_config(path)
    except BadConfig as error:
        found += error.problems
    section = config.sections.study if config else _study_alone(path)
    if section is not None:
        tables = _table_paths(section, path.parent)
        found += problems(tables, **_said_of_labels(section))
        if config is None or found:
            doubtful += warnings(tables, **_said_of_labels(section))
    if config is None or found:
        return found, doubtful
    try:
        data = load_data(config)
        doubtful += data_warnings(config, data)
        check_analyses(config, data)
    except BadInput as error:
        found += error.problems
    except Exception as error:  # of a model of one's own
        found.append(f"{path.name}: [model]: cannot be built with these data: {type(error).__name__}: {error}")
    return found, doubtful


def _table_paths(section: StudySection, base: Path) -> dict[str, str | Path]:
    paths = {"persons": section.persons, "visits": section.visits, "events": section.events}
    return {name: base / path for name, path in paths.items() if path is not None}


def _said_of_labels(section: StudySection) -> dict[str, Any]:
    return {"distinct_labels": section.distinct_labels, "event_labels": section.event_labels}


def _study_alone(path: Path) -> StudySection | None:
    """Read the `[study]` of a configuration that has problems elsewhere."""
    try:
        return StudySection.model_validate(read_toml(path)[1]["study"])
    except (BadConfig, KeyError, ValidationError):
        return None
