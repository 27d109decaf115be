"""Sections of a configuration as pydantic models; those that name tables read them, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.study.measures import DEFAULT, Measure

if TYPE_CHECKING:
    from bayesmodels.study import Endpoint, MeansTable, Study, TrialTable

_STRICT = ConfigDict(frozen=True, extra="forbid")


class StudySection(BaseModel):
    """`[study]`: the tables of a trial and what they do not say; paths are relative to the config file.

    Parameters
    ----------
    name : str, optional
        Name of the study; the file's unless given.
    persons, visits : path
        Tables, .csv or .parquet.
    events : path, optional
        Table of the ends of follow-up.
    reference_group : str, optional
        The start group that is subtracted in every difference; needed with two start groups or more.
    strata : bool
        Whether the column `stratum` is used: a mean course and an effect for each.
    controlled_week : float, optional
        Last week of the randomised comparison; by default the earliest start among groups that start later.
    curve_weeks : list of float, optional
        Weeks of curves and differences; by default 25 whole weeks up to the last visit.
    distinct_labels : list of lists of str
        Labels that look like spellings of one and are not.
    event_labels : table of str
        What labels of events are: `none`, an event of the model, or themselves.
    """

    model_config = _STRICT

    name: str | None = None
    persons: Path
    visits: Path
    events: Path | None = None
    reference_group: str | None = None
    strata: bool = False
    controlled_week: float | None = Field(None, gt=0)
    curve_weeks: tuple[float, ...] | None = None
    distinct_labels: tuple[tuple[str, ...], ...] = ()
    event_labels: dict[str, str] = {}

    def tables(self, folder: Path) -> dict[str, str | Path]:
        """Files of the tables, given the configuration's folder."""
        paths = {"persons": self.persons, "visits": self.visits, "events": self.events}
        return {name: folder / path for name, path in paths.items() if path is not None}

    @property
    def said_of_labels(self) -> dict[str, Any]:
        """What is said of labels, as `read_study`, `problems` and `warnings` take it."""
        return {"distinct_labels": self.distinct_labels, "event_labels": self.event_labels}

    def read(self, folder: Path, name: str, trial: str | None = None) -> Study:
        """Read and check the tables; `trial`: whose persons the study is of."""
        from bayesmodels.study import read_study

        names = ("reference_group", "strata", "controlled_week", "curve_weeks")
        options = {name: getattr(self, name) for name in names}
        return read_study(self.tables(folder), name=name, trial=trial, **options, **self.said_of_labels)


class _TableSection(BaseModel):
    """`[data]`: either the package's own table by name, or a file of one's own, each with keys of its own."""

    model_config = _STRICT

    packaged: ClassVar[dict[str, set[str]]]
    """The package's own tables, each with the keys that are used with it and not with a file."""
    required_of_files: ClassVar[set[str]] = set()
    only_of_files: ClassVar[set[str]]

    name: str | None = None
    table: str

    @property
    def is_file(self) -> bool:
        """Whether the table is a file of the user's."""
        return self.table.endswith((".csv", ".parquet"))

    @model_validator(mode="after")
    def _keys_fit_the_table(self) -> _TableSection:
        if not self.is_file and self.table not in self.packaged:
            own = " or ".join(map(repr, self.packaged))
            raise ValueError(f"expected table = a .csv or .parquet file, or {own}, got {self.table!r}")
        given = self.model_fields_set
        missing = sorted(self.required_of_files - given) if self.is_file else []
        used = self.only_of_files if self.is_file else self.packaged[self.table]
        extra = sorted(given & self.only_of_files.union(*self.packaged.values()) - used)
        if missing or extra:
            lines = [f"{name}: expected with a table of one's own, found none" for name in missing]
            kind = "a table of one's own" if self.is_file else f"table = {self.table!r}"
            raise ValueError("\n".join([*lines, *(f"{name}: not used with {kind}; delete it" for name in extra)]))
        return self


class DataSection(_TableSection):
    """`[data]`: published visit-level means.

    Either a table of the package's own: ``table = "valor_visits"``, with `series` and what
    `bayesmodels.study.evidence.means_table` takes, or ``table = "healey_cnmau8_alsfrs_visits"``, with `placebo` and
    what `bayesmodels.study.evidence.cnm_au8_means` takes. Or ``table = "means.csv"``, a file of one's own, with
    `drug_start_week` and `reference_group`, and with `distinct_labels` where labels that look like spellings of one
    are not.

    Parameters
    ----------
    name : str, optional
        Name of the data; the file's unless given.
    table : str
        A table of the package's own, or a path.
    series : str, list of str, or table of (first, last)
        Of VALOR: series to take, each within first and last week where these are given.
    placebo : {"shared", "regimen"}, optional
        Of CNM-Au8: the placebo persons of all regimens of the platform (the default), or of the drug's own.
    until_week : float, optional
        Of the package's tables: later means are left out.
    outcomes, strata : list of str, optional
        Of VALOR: which to take; by default all that the series have.
    digitised : {"keep", "drop", "inflate"}, optional
        Of VALOR, means read off a figure: kept, left out, or with the reading error added.
    delayed_start_week : float, optional
        Of VALOR: when the delayed group starts the drug.
    drug_start_week : table of float
        Of a file: start group to the week of its drug start, inf for never.
    reference_group : str
        Of a file: the start group that is subtracted in every difference.
    distinct_labels : list of lists of str, optional
        Of a file: labels that look like spellings of one and are not.
    """

    packaged = {
        "valor_visits": {"series", "until_week", "outcomes", "strata", "digitised", "delayed_start_week"},
        "healey_cnmau8_alsfrs_visits": {"placebo", "until_week"},
    }
    required_of_files = {"drug_start_week", "reference_group"}
    only_of_files = {"drug_start_week", "reference_group", "distinct_labels"}

    series: str | tuple[str, ...] | dict[str, tuple[float, float]] | None = None
    placebo: Literal["shared", "regimen"] | None = None
    until_week: float | None = Field(None, gt=0)
    outcomes: tuple[str, ...] | None = None
    strata: tuple[str, ...] | None = None
    digitised: Literal["keep", "drop", "inflate"] | None = None
    delayed_start_week: float | None = None
    drug_start_week: dict[str, float] | None = None
    reference_group: str | None = None
    distinct_labels: tuple[tuple[str, ...], ...] | None = None

    def read(self, folder: Path, name: str) -> MeansTable:
        """Read and check the table."""
        options = self.model_dump(exclude={"name", "table"}, exclude_none=True) | {"name": name}
        if self.is_file:
            from bayesmodels.study import read_means

            return read_means(folder / self.table, **options)
        from bayesmodels.study.evidence import cnm_au8_means, means_table

        return means_table(**options) if self.table == "valor_visits" else cnm_au8_means(**options)


class TrialsSection(_TableSection):
    """`[data]` of a trial-level model: effects of trials on a surrogate and on an outcome.

    Either ``table = "als_trials"``, the package's own, whose labels, units and good directions are known; or
    ``table = "trials.csv"``, a file of one's own.

    Parameters
    ----------
    name : str, optional
        Name of the data; the file's unless given.
    table : str
        The package's own table, or a path.
    one_sided : {"unused", "used"}
        Whether rows with one of the two effects enter.
    valor : {"whole", "strata"}, optional
        Of the package's table: VALOR as one row, or a row for each stratum.
    surrogate, outcome : str, optional
        Of a file: names of the endpoints.
    surrogate_unit, outcome_unit : str, optional
        Of a file: units of the effects.
    surrogate_good, outcome_good : {"up", "down"}, optional
        Of a file: sign of a good effect.
    surrogate_measure, outcome_measure : str, optional
        Of a file: effect measure, `mean_difference` (the default), `standardised_mean_difference`, `log_ratio` (of
        geometric means), `log_odds_ratio` or `log_hazard_ratio`.
    distinct_labels : list of lists of str, optional
        Of a file: labels that look like spellings of one and are not.
    """

    packaged = {"als_trials": {"valor"}}
    only_of_files = {
        "surrogate", "outcome", "surrogate_unit", "outcome_unit", "surrogate_good", "outcome_good", "surrogate_measure",
        "outcome_measure", "distinct_labels",
    }  # fmt: skip

    one_sided: Literal["unused", "used"] = "unused"
    valor: Literal["whole", "strata"] | None = None
    surrogate: str | None = None
    outcome: str | None = None
    surrogate_unit: str | None = None
    outcome_unit: str | None = None
    surrogate_good: Literal["up", "down"] | None = None
    outcome_good: Literal["up", "down"] | None = None
    surrogate_measure: Measure | None = None
    outcome_measure: Measure | None = None
    distinct_labels: tuple[tuple[str, ...], ...] | None = None

    def read(self, folder: Path, name: str) -> TrialTable:
        """Read and check the table."""
        if not self.is_file:
            from bayesmodels.study.evidence import trial_table

            return trial_table(self.valor or "whole", one_sided=self.one_sided, name=name)
        from bayesmodels.study import read_trials

        return read_trials(
            folder / self.table,
            surrogate=self._endpoint("surrogate"),
            outcome=self._endpoint("outcome"),
            one_sided=self.one_sided,
            name=name,
            distinct_labels=self.distinct_labels or (),
        )

    def _endpoint(self, end: str) -> Endpoint:
        from bayesmodels.study import Endpoint

        unit, good, measure = (getattr(self, f"{end}_{what}") for what in ("unit", "good", "measure"))
        return Endpoint(getattr(self, end) or end, unit or "", good, measure or DEFAULT)


class Sections(BaseModel):
    """The whole file but for sections that are analyses; `model` and analyses are checked by their own classes."""

    model_config = _STRICT

    study: StudySection | None = None
    data: DataSection | TrialsSection | None = None
    model: dict[str, Any]
    sampling: NutsSettings = NutsSettings()
    report: ReportSettings = ReportSettings()
    analyses: tuple[dict[str, Any], ...] = ()


class MeansSections(Sections):
    """The file of a model of published means, or of persons."""

    data: DataSection | None = None


class TrialSections(Sections):
    """The file of a trial-level model."""

    data: TrialsSection | None = None
