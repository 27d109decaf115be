"""Tables of patients in clusters: reading, refusals by their exact lines, both arms, coding."""

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable, read_clusters


@pytest.fixture
def patients():
    return pd.DataFrame(
        {
            "cluster": ["b", "a", "a", "b", "c"],
            "treatment": [1, 0, 1, 0, 1],
            "surrogate": [1.0, 2.0, 3.0, 4.0, 5.0],
            "outcome": [10.0, 20.0, 30.0, 40.0, 50.0],
        }
    )


def refused(frame, **options):
    with pytest.raises(BadInput) as caught:
        ClusterTable.from_frame(frame, **({"active": 1} | options))
    return list(caught.value.problems)


def test_rows_by_cluster_and_half_coding(patients):
    table = ClusterTable.from_frame(patients, active=1)
    assert table.clusters == ("a", "b", "c")
    assert table.cluster_index.tolist() == [0, 0, 1, 1, 2]
    assert table.treatment.tolist() == [-0.5, 0.5, 0.5, -0.5, 0.5]
    assert table.values.tolist() == [[2, 20], [3, 30], [1, 10], [4, 40], [5, 50]]
    assert (table.active, table.control) == ("1", "0")
    assert table.counts == {"patients": 5, "clusters": 3, "clusters_with_both_arms": 2, "incomplete": 0}
    assert table.with_both_arms().clusters == ("a", "b")


def test_a_blank_value_is_refused_unless_complete_cases_are_asked_for(patients):
    blank = patients.astype(object)
    blank.loc[1, "outcome"] = np.nan
    assert refused(blank) == ["patients, row 3: outcome is blank; fill it in"]
    table = ClusterTable.from_frame(blank, active=1, complete_cases=True)
    assert table.counts["incomplete"] == 1
    assert len(table.rows) == 4


def test_every_problem_at_once(patients):
    bad = patients.astype(object)
    bad.loc[0, "surrogate"] = "high"
    bad.loc[2, "treatment"] = 2
    assert refused(bad) == [
        'patients, row 2: expected a number as surrogate, got "high"; correct it',
        'patients: expected two treatments, one of them the active arm "1", got "0", "1", "2"; keep the rows of two '
        "arms and name the active one",
    ]
    assert refused(patients.drop(columns="outcome"), columns={"centre": "x"}) == [
        'patients: columns names a role "centre"; expected "cluster", "treatment", "surrogate", "outcome"',
        'patients: expected a column "outcome" with the outcome (columns: "cluster", "treatment", "surrogate"); say '
        "columns = {...}",
    ]


def test_the_same_from_a_file_under_other_names(patients, tmp_path):
    path = tmp_path / "armd.csv"
    patients.rename(columns={"cluster": "Center", "surrogate": "Diff24"}).to_csv(path, index=False)
    read = read_clusters(path, active=1, columns={"cluster": "Center", "surrogate": "Diff24"})
    assert read.digest == ClusterTable.from_frame(patients, active=1).digest
    assert read.name == "armd"


def test_a_table_without_clusters(patients, tmp_path):
    one = patients.drop(columns="cluster")
    table = ClusterTable.from_frame(one, active=1, clustered=False)
    assert table.clusters == ("all",)
    assert table.values.tolist() == one[["surrogate", "outcome"]].to_numpy().tolist()  # in the order of the file
    path = tmp_path / "patients.parquet"
    one.to_parquet(path)
    assert read_clusters(path, active=1, clustered=False).digest == table.digest
    assert "columns: " in refused(one)[0]
