import numpy as np
import pytest
from toy_model import Toy, study, tables

from bayesmodels.analyses.analysis import Fit
from bayesmodels.analyses.person_archive import PersonArchive, visit_rows


def test_visit_rows_number_the_persons():
    rows = visit_rows(study())
    frame = tables()["visits"]
    np.testing.assert_array_equal(rows["value"], frame["value"])
    np.testing.assert_array_equal(rows["person"], [int(label.removeprefix("Secret-")) for label in frame["person"]])
    assert rows["outcome"].to_numpy().tolist() == ["alsfrs_r"] * len(frame)


def test_a_model_whose_likelihood_is_not_collapsed_has_rows_only(toy_posterior):
    given = Fit(Toy(), Toy().build(study()), study(), toy_posterior, pytest.fail, lambda phase: None)
    assert set(PersonArchive().compute(given)) == {"visit_rows"}
