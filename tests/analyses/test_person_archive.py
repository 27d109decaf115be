import numpy as np
from toy_model import Toy, study, tables

from bayesmodels.analyses.person_archive import person_groups, visit_rows


def test_visit_rows_number_the_persons():
    rows = visit_rows(study())
    frame = tables()["visits"]
    np.testing.assert_array_equal(rows["value"], frame["value"])
    np.testing.assert_array_equal(rows["person"], [int(label.removeprefix("Secret-")) for label in frame["person"]])
    assert rows["outcome"].to_numpy().tolist() == ["alsfrs_r"] * len(frame)


def test_a_model_whose_likelihood_is_not_collapsed_has_rows_only(toy_posterior):
    assert set(person_groups(Toy(), toy_posterior, study())) == {"visit_rows"}
