"""Reading of studies from files, and the list of their problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bayesmodels.errors import BadInput
from bayesmodels.study.checks.labels import DistinctLabels
from bayesmodels.study.checks.settings import check_settings
from bayesmodels.study.checks.tables import check_tables
from bayesmodels.study.files import RawTable, find_table, read_table
from bayesmodels.study.problem import Problem, in_order, plain, quoted
from bayesmodels.study.study import ExtraLimits, Study, assemble

TABLES = ("persons", "visits", "events")


def read_study(
    source: str | Path | Mapping[str, str | Path],
    *,
    name: str | None = None,
    reference_group: str | None = None,
    strata: bool = False,
    controlled_week: float | None = None,
    curve_weeks: Sequence[float] | None = None,
    extra_limits: ExtraLimits | None = None,
    distinct_labels: DistinctLabels = (),
    event_labels: Mapping[str, str] | None = None,
    new_persons: bool = False,
    trial: str | None = None,
) -> Study:
    """A study from files.

    Parameters
    ----------
    source : path or mapping
        A folder with persons, visits and (optionally) events as .csv or .parquet, or a mapping of these three names to
        files. csv: UTF-8, with comma, semicolon or tab between cells and a point in decimals.
    name : str, optional
        Default: the folder's name, or "study".
    reference_group, strata, controlled_week, curve_weeks, extra_limits, distinct_labels, event_labels, new_persons
        As in `Study.from_frames`.
    trial : str, optional
        As in `Study.from_frames`.

    Raises
    ------
    BadInput
        With every problem found, in the files and in the settings.
    """
    tables, wrong = _raw_tables(source), list[Problem]()
    if name is None:
        name = "study" if isinstance(source, Mapping) else Path(source).resolve().name
    settings = check_settings(
        wrong, reference_group, strata, controlled_week, curve_weeks, extra_limits, distinct_labels, event_labels,
        new_persons, trial,
    )  # fmt: skip
    return assemble(*tables, name, settings, wrong)


def problems(
    source: str | Path | Mapping[str, str | Path],
    *,
    extra_limits: ExtraLimits | None = None,
    distinct_labels: DistinctLabels = (),
    event_labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Every problem of a study's tables, one plain line each; an empty list if there are none.

    Only the tables are checked: what a configuration adds (reference group, use of strata) is checked by `read_study`.

    Parameters
    ----------
    source : path or mapping
        As in `read_study`.
    extra_limits, distinct_labels, event_labels
        As in `Study.from_frames`.

    Returns
    -------
    list of str
        Each is a `Problem`, whose `without_person` is the line for a log.
    """
    return _problems_and_warnings(source, extra_limits, distinct_labels, event_labels)[0]


def warnings(
    source: str | Path | Mapping[str, str | Path],
    *,
    extra_limits: ExtraLimits | None = None,
    distinct_labels: DistinctLabels = (),
    event_labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Legitimate but doubtful content of a study's tables, one plain line each; an empty list if there is none.

    Parameters
    ----------
    source : path or mapping
        As in `read_study`.
    extra_limits, distinct_labels, event_labels
        As in `Study.from_frames`.

    Returns
    -------
    list of str
        Each is a `Problem`, whose `without_person` is the line for a log.
    """
    return _problems_and_warnings(source, extra_limits, distinct_labels, event_labels)[1]


def _problems_and_warnings(
    source: object,
    extra_limits: ExtraLimits | None,
    distinct_labels: DistinctLabels,
    event_labels: Mapping[str, str] | None,
) -> tuple[list[str], list[str]]:
    wrong: list[Problem] = []
    settings = check_settings(
        wrong, extra_limits=extra_limits, distinct_labels=distinct_labels, event_labels=event_labels
    )
    try:
        tables = check_tables(*_raw_tables(source), settings)
    except BadInput as error:
        return [*wrong, *error.problems], []
    return list(in_order([*wrong, *tables.problems])), list(tables.warnings)


def _raw_tables(source: object) -> tuple[RawTable, RawTable, RawTable | None]:
    if isinstance(source, Mapping):
        unknown = [key for key in source if key not in TABLES]
        if unknown:
            raise BadInput([Problem("study", f"expected files for {quoted(TABLES)}, got {quoted(unknown)}")])
        given: dict = dict(source)
    elif isinstance(source, str | Path):
        folder = Path(source)
        if not folder.is_dir():
            came = "a file" if folder.is_file() else "nothing of that name"
            text = f"expected a folder with {quoted(TABLES)} as .csv or .parquet, found {came}; check the path"
            raise BadInput([Problem(plain(folder.name) or "study", text)])
        given = {name: find_table(folder, name) for name in TABLES}
        if isinstance(given["events"], Problem) and given["events"].kind == "no file":
            given["events"] = None
    else:
        raise BadInput([Problem("study", f"expected a folder or a mapping of files, got {type(source).__name__}")])
    persons, visits, events = (_raw(name, given.get(name)) for name in TABLES)
    return persons, visits, None if given.get("events") is None else events


def _raw(name: str, place: object) -> RawTable:
    if isinstance(place, Problem):
        return RawTable(name, problems=(place,))
    if isinstance(place, str | Path):
        return read_table(Path(place))
    return RawTable(name, problems=(Problem(name, f"expected the path of a file, got {type(place).__name__}"),))
