"""PRO-ACT's tables of a download, by the names of their columns, to the three tables of a study.

The data cannot be passed on; whoever has access downloads them. The names of columns are those that published analyses
of the database read (docs/adam.md lists them).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.files import file_sha256
from bayesmodels.study.checks.cells import NEAR, number, week_of
from bayesmodels.study.checks.event_words import NONE
from bayesmodels.study.checks.tables import NEVER
from bayesmodels.study.converted import ConvertedTables, Source, checked_tables, left_out_table
from bayesmodels.study.files import RawTable, read_table
from bayesmodels.study.problem import Problem, in_order, plain, quoted

ID = "subject_id"
TREATMENT = ("TREATMENT", ("Study_Arm", "Treatment_Group_Delta"))
DEATHS = ("DEATHDATA", ("Subject_Died", "Death_Days"))

OUTCOMES: dict[str, tuple[str, str, str]] = {
    "alsfrs_r": ("ALSFRS", "ALSFRS_Delta", "ALSFRS_R_Total"),
    "svc": ("SVC", "Slow_vital_Capacity_Delta", "pct_of_Normal_Trial_1"),
}
"""Outcome to its table, the column with days since the trial's day 0, and the column with the value."""

ARMS = ("Active", "Placebo")

Duplicates = Literal["refuse", "first", "last"]


def read_pro_act(
    folder: str | Path,
    *,
    outcomes: tuple[str, ...] = ("alsfrs_r",),
    arms: tuple[str, ...] = ("Placebo",),
    duplicates: Duplicates = "refuse",
    days_after_last_visit: int | None = None,
    prefix: str = "PROACT_",
) -> ConvertedTables:
    """PRO-ACT's tables of a download as the tables of a study.

    Week 0 is the trial's day 0 of each person (`ALSFRS_Delta` counts days from it). Arms are pooled over trials and
    drugs, which PRO-ACT does not name: a contrast of arms is no randomised comparison, so that by default the placebo
    arm alone is read. `events` holds deaths by `Death_Days` that are within `days_after_last_visit`; everyone else is
    followed until the last visit that is read.

    Parameters
    ----------
    folder : path
        With ``PROACT_ALSFRS.csv``, ``PROACT_TREATMENT.csv``, ``PROACT_DEATHDATA.csv`` and, for `svc`,
        ``PROACT_SVC.csv``.
    outcomes : tuple of str
        Of `alsfrs_r` and `svc` (percent of normal, first trial).
    arms : tuple of str
        Of `Active` and `Placebo`. Persons on the active arm start at `Treatment_Group_Delta` days, or day 0 where that
        is before it; those on placebo never.
    duplicates : {"refuse", "first", "last"}
        Two rows of a person and day.
    days_after_last_visit : int, optional
        Days after a person's last visit that is read until which a death is seen; whoever died later is followed until
        that visit. Needed where there are deaths after the last visit: survivors are followed until theirs, so that
        deaths seen for longer make survival too short.
    prefix : str
        Of the files' names.

    Returns
    -------
    ConvertedTables
        Everything that is left out has a reason: other arms, before day 0, no value, after death, died later than
        follow-up.

    Raises
    ------
    BadInput
        Every problem.
    """
    expect(folder, (str, Path), "folder", "give the folder of the download")
    expect(outcomes, (tuple, list), "outcomes", f"give some of {quoted(OUTCOMES)}")
    expect(arms, (tuple, list), "arms", f"give some of {quoted(ARMS)}")
    expect(prefix, str, "prefix", 'give the beginning of the names of the files, such as "PROACT_"')
    for given, known, what in ((outcomes, tuple(OUTCOMES), "outcomes"), (arms, ARMS, "arms")):
        other = [each for each in given if each not in known]
        if other or not given:
            raise BadInput(f"{what}: expected some of {quoted(known)}, got {quoted(other) or 'none'}")
    if duplicates not in ("refuse", "first", "last"):
        raise BadInput(f'duplicates: expected "refuse", "first" or "last", got {quoted([duplicates])}')
    if days_after_last_visit is not None:
        whole = isinstance(days_after_last_visit, int) and not isinstance(days_after_last_visit, bool)
        if not whole or days_after_last_visit < 0:
            raise BadInput(
                f"days_after_last_visit: expected a whole number of days, 0 or more, got "
                f"{quoted([days_after_last_visit])}"
            )
    found: list[Problem] = []
    tables = {TREATMENT[0]: TREATMENT[1], DEATHS[0]: DEATHS[1]}
    tables |= {table: (day, value) for table, day, value in (OUTCOMES[name] for name in outcomes)}
    raw = {name: _table(Path(folder), f"{prefix}{name}.csv", columns, found) for name, columns in tables.items()}
    if found:
        raise BadInput(in_order(found))
    reasons: dict[str, pd.Series] = {}
    persons = _persons(raw[TREATMENT[0]], arms, reasons, found)
    visits = pd.concat(
        [_visits(raw[OUTCOMES[name][0]], name, persons, duplicates, reasons, found) for name in outcomes]
    )
    deaths = _deaths(raw[DEATHS[0]], persons, reasons, found)
    if found:
        raise BadInput(in_order(found))
    late = visits["week"] > visits["person"].map(deaths).fillna(np.inf)
    for name, rows in visits[late].groupby("table"):
        reasons[str(name)][list(rows["row"])] = "after death"
    visits = visits[~late]
    seen = persons["person"].isin(visits["person"])
    arm = reasons[TREATMENT[0]]
    arm[persons.index[~seen]] = "no visit is kept"
    persons = persons[seen]
    unseen = reasons[DEATHS[0]]
    of_nobody = (unseen == "") & ~_ids(raw[DEATHS[0]]).isin(persons["person"])
    unseen[of_nobody] = "no visit is kept"
    last = visits.groupby("person")["week"].max()
    dead = persons["person"].map(deaths)
    days_later = (dead - persons["person"].map(last)) * 7
    if days_after_last_visit is None and (days_later > NEAR * 7).any():
        later = days_later[days_later > NEAR * 7]
        text = (
            f"{len(later):,} of {int(dead.notna().sum()):,} deaths are after the person's last visit, at most "
            f"{later.max():,.0f} days; survivors are followed until their last visit only: until how many days after "
            "it is a death seen? Give days_after_last_visit; whoever died later is then followed until the last visit"
        )
        raise BadInput([Problem(raw[DEATHS[0]].file, text)])
    unseen_deaths = days_later > (days_after_last_visit or 0) + NEAR * 7
    dead = dead.where(~unseen_deaths)
    beyond = (unseen == "") & _ids(raw[DEATHS[0]]).isin(persons.loc[unseen_deaths, "person"])
    unseen[beyond] = "died later than follow-up"
    events = pd.DataFrame(
        {
            "person": persons["person"],
            "week": dead.fillna(persons["person"].map(last)),
            "event": np.where(dead.notna(), "death", NONE),
        }
    )
    return checked_tables(
        ConvertedTables(
            name="PRO-ACT",
            persons=persons.reset_index(drop=True),
            visits=visits[["person", "week", "outcome", "value"]].reset_index(drop=True),
            events=events.reset_index(drop=True),
            time_to_event=None,
            left_out=left_out_table(reasons),
            sources=tuple(
                Source(
                    name,
                    each.file,
                    file_sha256(Path(folder) / each.file),
                    len(each.cells),
                    int((reasons[name] == "").sum()),
                )
                for name, each in raw.items()
            ),
            notes=("arms are pooled over trials and drugs: a contrast of arms is no randomised comparison",),
        ),
        {
            "persons": [(raw[TREATMENT[0]].file, int(row)) for row in persons.index],
            "visits": [
                (raw[name].file, int(row)) for name, row in visits[["table", "row"]].itertuples(index=False, name=None)
            ],
            "events": [(raw[TREATMENT[0]].file, int(row)) for row in persons.index],
        },
    )


def _table(folder: Path, file: str, columns: tuple[str, ...], found: list[Problem]) -> RawTable:
    raw = read_table(folder / file)
    found += raw.problems
    here = [str(each) for each in raw.cells.columns]
    if not raw.problems:
        absent = [each for each in (ID, *columns) if each not in here]
        found += [Problem(file, f'expected a column "{c}", found none; columns there: {quoted(here)}') for c in absent]
    return raw


def _ids(raw: RawTable) -> pd.Series:
    """Row to the person's label."""
    return pd.Series([_id(cell) for cell in raw.cells[ID]], index=raw.cells.index, dtype=object)


def _id(cell: object) -> str:
    value = number(cell)
    return str(int(value)) if value is not None and float(value).is_integer() else str(cell).strip()


def _days(raw: RawTable, column: str, rows: pd.Series, found: list[Problem]) -> pd.Series:
    """Cells of chosen rows as numbers; NaN where blank."""
    values = []
    for row, cell in raw.cells.loc[rows.index[rows], column].items():
        blank = isinstance(cell, str) and cell.strip() in ("", "NA")
        value = np.nan if blank else number(cell)
        if value is None:
            text = f"expected a number as {column}, got {quoted([cell])}; correct it"
            found.append(Problem(raw.file, text, row=int(str(row)), kind=f"number {column}"))
        values.append(np.nan if value is None else value)
    return pd.Series(values, index=rows.index[rows], dtype=float)


def _persons(raw: RawTable, arms: tuple[str, ...], reasons: dict[str, pd.Series], found: list[Problem]) -> pd.DataFrame:
    arm = raw.cells["Study_Arm"].map(lambda cell: str(cell).strip())
    why = pd.Series("", index=raw.cells.index, dtype=object)
    out = ~arm.isin(arms)
    why[out] = [f'Study_Arm is "{plain(each)}"' if each else "Study_Arm is blank" for each in arm[out]]
    reasons[TREATMENT[0]] = why
    label = _ids(raw)
    twice = label[~out].duplicated()
    for row in twice.index[twice]:
        text = "a second row of this person; keep one"
        found.append(Problem(raw.file, text, row=int(row), person=label[row], kind="second row"))
    days = _days(raw, "Treatment_Group_Delta", ~out & (arm == "Active"), found).clip(lower=0)
    for row in days.index[days.isna()]:
        text = (
            "Treatment_Group_Delta is blank, so the start of the drug is not known; fill it in, or read Placebo alone"
        )
        found.append(Problem(raw.file, text, row=int(row), person=label[row], kind="no start"))
    start = pd.Series(NEVER, index=why.index)
    start[days.index] = days / 7
    table = pd.DataFrame({"person": label, "start_group": arm.str.lower(), "drug_start_week": start})
    return table[~out]


def _visits(
    raw: RawTable,
    outcome: str,
    persons: pd.DataFrame,
    duplicates: Duplicates,
    reasons: dict[str, pd.Series],
    found: list[Problem],
) -> pd.DataFrame:
    table, day, value = OUTCOMES[outcome]
    label = _ids(raw)
    why = pd.Series("", index=raw.cells.index, dtype=object)
    reasons[table] = why
    why[~label.isin(persons["person"])] = "person is not in the arms that are read"
    days = _days(raw, day, why == "", found)
    why[days.index[days.isna()]] = f"{day} is blank"
    why[days.index[days < 0]] = "before day 0"
    values = _days(raw, value, why == "", found)
    why[values.index[values.isna()]] = f"{value} is blank"
    kept = why.index[why == ""]
    visits = pd.DataFrame(
        {
            "table": table,
            "row": kept,
            "person": label[kept],
            "week": (days[kept] / 7).map(week_of),
            "outcome": outcome,
            "value": values[kept],
        },
        index=kept,
    )
    again = visits.duplicated(["person", "week"], keep="first" if duplicates == "refuse" else duplicates)
    if duplicates != "refuse":
        why[again.index[again]] = f"another record of this day is kept (the {duplicates})"
        return visits[~again]
    for row in again.index[again]:
        text = 'a second row of this person and day; write duplicates="first" or "last" to keep one'
        found.append(Problem(raw.file, text, row=int(row), person=label[row], kind="second record"))
    return visits


def _deaths(raw: RawTable, persons: pd.DataFrame, reasons: dict[str, pd.Series], found: list[Problem]) -> pd.Series:
    """Person to the week of death."""
    label = _ids(raw)
    why = pd.Series("", index=raw.cells.index, dtype=object)
    reasons[DEATHS[0]] = why
    why[~label.isin(persons["person"])] = "person is not in the arms that are read"
    died = raw.cells["Subject_Died"].map(lambda cell: str(cell).strip())
    other = (why == "") & ~died.isin(["Yes", "No", ""])
    for row in other.index[other]:
        text = f'expected Yes or No as Subject_Died, got "{plain(died[row])}"; correct it'
        found.append(Problem(raw.file, text, row=int(row), person=label[row], kind="died"))
    why[(why == "") & (died != "Yes")] = "did not die"
    days = _days(raw, "Death_Days", why == "", found)
    why[days.index[days.isna()]] = "Death_Days is blank: followed until the last visit"
    days = days.dropna()
    for row in days.index[days < 0]:
        found.append(Problem(raw.file, "Death_Days is before day 0; correct it", row=int(row), person=label[row]))
    weeks = pd.Series((days / 7).map(week_of).to_numpy(), index=label[days.index].to_numpy())
    apart = weeks.groupby(level=0).nunique() > 1
    for who in apart.index[apart]:
        text = "two different days of death of this person; keep one row"
        found.append(Problem(raw.file, text, person=str(who), kind="two deaths"))
    again = label[days.index].duplicated()
    why[again.index[again]] = "the same death once more"
    return weeks.groupby(level=0).first()
