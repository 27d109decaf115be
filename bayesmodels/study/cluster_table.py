"""`ClusterTable`: patients with one surrogate and one outcome value each, two arms, in clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.study.checks.cells import labels, numbers
from bayesmodels.study.checks.labels import DistinctLabels, LabelColumn, spelling_problems
from bayesmodels.study.checks.settings import check_distinct
from bayesmodels.study.digest import sha256
from bayesmodels.study.files import RawTable, from_frame, read_table
from bayesmodels.study.measures import DEFAULT
from bayesmodels.study.problem import Problem, in_order, plain, quoted
from bayesmodels.study.trials import OUTCOME, SURROGATE, Endpoint
from bayesmodels.vocabulary import ALL

ROLES = ("cluster", "treatment", "surrogate", "outcome")


@dataclass(frozen=True, repr=False, eq=False)
class ClusterTable:
    """Patients with one surrogate and one outcome value each, randomised to two arms, in clusters.

    A cluster is a trial, or the centre, country or investigator of one trial; clusters of one trial show how its one
    treatment contrast varies between places, not whether effects carry over from drug to drug.

    Parameters
    ----------
    name : str
        For titles; not part of the digest.
    active, control : str
        Labels of the two arms.
    rows : pandas.DataFrame
        One row per patient, sorted by cluster: `cluster` (text), `active` (bool), `surrogate`, `outcome`.
    incomplete : int
        Rows left out because a value was blank.
    surrogate, outcome : Endpoint
        Labels, units and good directions.
    """

    name: str
    active: str
    control: str
    rows: pd.DataFrame
    incomplete: int = 0
    surrogate: Endpoint = SURROGATE
    outcome: Endpoint = OUTCOME

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        active: object,
        columns: dict[str, str] | None = None,
        clustered: bool = True,
        complete_cases: bool = False,
        surrogate: Endpoint = SURROGATE,
        outcome: Endpoint = OUTCOME,
        name: str = "patients",
        distinct_labels: DistinctLabels = (),
    ) -> ClusterTable:
        """A table of patients from a DataFrame.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns cluster, treatment (two labels), surrogate, outcome; others are ignored.
        active : str or int
            Label of the active arm; effects are active minus the other arm.
        columns : dict of str to str, optional
            Role to the column's name in the frame, for those that have another name: ``{"cluster": "Center"}``.
        clustered : bool
            False: no cluster column is needed, and all patients are of one cluster, "all".
        complete_cases : bool
            Leave out patients with a blank value and count them; otherwise blanks are refused.
        surrogate, outcome : Endpoint
            Labels, units and good directions.
        name : str
        distinct_labels : sequence of sequence of str
            Groups of labels that differ only by case, spaces, punctuation or Unicode form and are not the same; other
            such labels are refused.

        Raises
        ------
        BadInput
            With every problem found. Rows are counted as in a spreadsheet: the first row of data is row 2.
        """
        raw, ends = from_frame(frame, name), (surrogate, outcome)
        return _checked(raw, active, columns or {}, clustered, complete_cases, ends, name, distinct_labels)

    @cached_property
    def clusters(self) -> tuple[str, ...]:
        """Clusters in alphabetical order."""
        return tuple(sorted(self.rows["cluster"].unique()))

    @cached_property
    def cluster_index(self) -> np.ndarray:
        """Place of every patient's cluster in `clusters`, (patient,)."""
        return np.searchsorted(np.array(self.clusters), self.rows["cluster"].to_numpy(str))

    @cached_property
    def treatment(self) -> np.ndarray:
        """+1/2 on the active arm and -1/2 on the other, so that effects are whole arm differences, (patient,)."""
        return np.where(self.rows["active"].to_numpy(), 0.5, -0.5)

    @cached_property
    def values(self) -> np.ndarray:
        """Surrogate and outcome of every patient, (patient, 2)."""
        return self.rows[["surrogate", "outcome"]].to_numpy(float)

    @property
    def coords(self) -> dict[str, tuple]:
        """Coordinates by dim."""
        return {"cluster": self.clusters, "endpoint": ("surrogate", "outcome")}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows and of the endpoints, in hex."""
        return sha256({"patients": self.rows}, {"surrogate": self.surrogate.facts, "outcome": self.outcome.facts})

    @cached_property
    def counts(self) -> dict:
        """Patients, clusters, clusters with both arms, patients left out as incomplete."""
        arms = self.rows.groupby("cluster")["active"].nunique()
        return {
            "patients": len(self.rows),
            "clusters": len(arms),
            "clusters_with_both_arms": int((arms == 2).sum()),
            "incomplete": self.incomplete,
        }

    def with_both_arms(self) -> ClusterTable:
        """The table of the clusters that have patients in both arms."""
        arms = self.rows.groupby("cluster")["active"].transform("nunique")
        return replace(self, rows=self.rows[arms == 2].reset_index(drop=True))

    def __repr__(self) -> str:
        """Name and counts."""
        n = self.counts
        return (
            f"Patients {self.name}: {n['patients']} in {n['clusters']} clusters, {n['clusters_with_both_arms']} "
            f"of them with both arms ({self.active} against {self.control}); {n['incomplete']} incomplete rows left out"
        )


def read_clusters(
    path: str | Path,
    *,
    active: object,
    columns: dict[str, str] | None = None,
    clustered: bool = True,
    complete_cases: bool = False,
    surrogate: Endpoint = SURROGATE,
    outcome: Endpoint = OUTCOME,
    distinct_labels: DistinctLabels = (),
) -> ClusterTable:
    """A table of patients from a .csv or .parquet file.

    Parameters
    ----------
    path : str or Path
        Its name without the suffix is the table's.
    active, columns, clustered, complete_cases, surrogate, outcome, distinct_labels
        As in `ClusterTable.from_frame`.

    Raises
    ------
    BadInput
        With every problem found.
    """
    expect(path, (str, Path), "path", "give the path of a .csv or .parquet file")
    path = Path(path)
    raw, ends = read_table(path), (surrogate, outcome)
    return _checked(raw, active, columns or {}, clustered, complete_cases, ends, path.stem, distinct_labels)


def _checked(
    raw: RawTable,
    active: object,
    columns: dict[str, str],
    clustered: bool,
    complete_cases: bool,
    ends: tuple[Endpoint, Endpoint],
    name: str,
    distinct_labels: DistinctLabels,
) -> ClusterTable:
    for end in ends:
        if end.measure != DEFAULT:
            raise BadInput(
                f"{end.label}: expected the measure {DEFAULT} with a table of persons, whose values are measured on "
                f"each, got {end.measure}; delete it"
            )
    expect(columns, dict, "columns", 'give names of columns by role, such as {"cluster": "centre"}')
    found = list(raw.problems)
    for role in columns:
        if role not in ROLES:
            found.append(Problem(raw.file, f"columns names a role {quoted([role])}; expected {quoted(ROLES)}"))
    named = {role: columns.get(role, role) for role in (ROLES if clustered else ROLES[1:])}
    for role, column in named.items():
        if column not in raw.cells and not raw.problems:
            there = quoted(raw.cells.columns)
            text = f"expected a column {quoted([column])} with the {role} (columns: {there}); say columns = {{...}}"
            found.append(Problem(raw.file, text))
    if found:
        raise BadInput(in_order(found))
    distinct = check_distinct(distinct_labels, found)
    rows, incomplete = _parsed(raw, named, complete_cases, found)
    columns_of_labels = [LabelColumn(raw.file, named[role], rows[role]) for role in ROLES[:2] if role in named]
    spellings = spelling_problems(columns_of_labels, distinct, "data")
    found += spellings
    arms = sorted(rows["treatment"].unique())
    label = str(active)
    respelt = any(problem.kind.startswith(f"spelling {named['treatment']}") for problem in spellings)
    if not respelt and (len(arms) != 2 or label not in arms):
        text = f"expected two treatments, one of them the active arm {quoted([label])}, got {quoted(arms) or 'none'}"
        found.append(Problem(raw.file, f"{text}; keep the rows of two arms and name the active one"))
    if found:
        raise BadInput(in_order(found))
    (control,) = [arm for arm in arms if arm != label]
    rows.insert(len(named) - 3, "active", rows.pop("treatment") == label)
    if not clustered:
        rows.insert(0, "cluster", ALL)
    rows = rows.sort_values("cluster", kind="stable").reset_index(drop=True)
    return ClusterTable(str(name), label, plain(control), rows, incomplete, *ends)


def _parsed(
    raw: RawTable, named: dict[str, str], complete_cases: bool, found: list[Problem]
) -> tuple[pd.DataFrame, int]:
    parsed: dict[str, object] = {}
    for role, column in named.items():
        if role in ("cluster", "treatment"):
            parsed[role] = labels(raw.file, raw.cells[column], found)
        else:
            blank = np.nan if complete_cases else None
            parsed[role] = numbers(raw.file, raw.cells[column], found, blank=blank)
    rows = pd.DataFrame(parsed)
    complete = rows[["surrogate", "outcome"]].notna().all(axis=1)
    return (rows[complete], int((~complete).sum())) if complete_cases else (rows, 0)
