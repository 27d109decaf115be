"""The same rows from every door; what fails, dies or is stopped; a study that goes on."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from small_fits import normal_plan

from bayesmodels.errors import BadInput
from bayesmodels.trials.job import characteristics
from bayesmodels.trials.operating import OF_THE_MACHINE, rows_table
from bayesmodels.trials.plan import lost_fit, packed

FITS = 6


def own(found):
    """Rows without what depends on the machine."""
    return found.rows.drop(columns=list(OF_THE_MACHINE))


@pytest.fixture
def trouble(tmp_path):
    """A folder that says which fits go wrong: `ask(name, number)`."""
    plan = normal_plan(0.5)

    def ask(name, number):
        (tmp_path / name).write_text(repr(plan.trial(number)))
        return normal_plan(0.5, tmp_path)

    return ask


def calls(folder):
    return len((folder / "calls").read_text().split())


def test_processes_threads_and_a_cluster_give_the_rows_of_one_process():
    from distributed import LocalCluster

    plan = normal_plan(0.5)
    alone = own(characteristics(plan, FITS))
    pd.testing.assert_frame_equal(own(characteristics(plan, FITS, workers=2)), alone)
    with ThreadPoolExecutor(3) as executor:
        pd.testing.assert_frame_equal(own(characteristics(plan, FITS, executor=executor)), alone)
        assert executor.submit(int).result() == 0  # it is left open
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        pd.testing.assert_frame_equal(own(characteristics(plan, FITS, scheduler=cluster.scheduler_address)), alone)


def test_a_fit_that_fails_leaves_a_row_that_says_why(trouble):
    found = characteristics(trouble("fails", 2), FITS)
    (row,) = found.fits.query("status == 'failed'").itertuples()
    assert (row.fit, row.why) == (2, "ValueError: no such luck")
    assert row.seed == normal_plan(0.5).seed_of(2)
    assert found.rows.query("fit == 2")["quantity"].isna().tolist() == [True]
    assert found.computation["failed"] == 1
    assert found.table["fits"].tolist() == [FITS - 1]
    assert found.status == "finished"


def test_a_fit_under_which_every_process_dies_has_a_row_like_others():
    plan = normal_plan(0.5)
    record = lost_fit(packed(plan), 3)
    table = rows_table([record], ("outcome", "stratum"))
    assert "three times" in table.loc[0, "why"]
    assert (table.loc[0, "fit"], table.loc[0, "seed"], table.loc[0, "status"]) == (3, plan.seed_of(3), "failed")


def test_an_interrupted_study_goes_on(trouble, tmp_path):
    plan, log = trouble("interrupted_once", 3), tmp_path / "log"
    with pytest.raises(KeyboardInterrupt):
        characteristics(plan, FITS, log)
    assert calls(tmp_path) == 4
    found = characteristics(plan, FITS, log)
    assert calls(tmp_path) == FITS + 1
    columns = ["fit", "median", "lower", "success"]
    pd.testing.assert_frame_equal(found.rows[columns], characteristics(normal_plan(0.5), FITS).rows[columns])


def test_more_fits_extend_a_study_and_another_study_is_refused(trouble, tmp_path):
    plan, log = trouble("nothing", 0), tmp_path / "log"
    first = characteristics(plan, 3, log)
    more = characteristics(plan, FITS, log)
    assert calls(tmp_path) == FITS
    pd.testing.assert_frame_equal(own(more).query("fit < 3"), own(first))
    with pytest.raises(BadInput, match="other settings"):
        characteristics(normal_plan(0.4), 3, log)


def test_no_fit_is_begun_after_the_time_is_up():
    found = characteristics(normal_plan(0.5), FITS, max_seconds=0.0)
    assert (found.status, found.missing, len(found.rows)) == ("unfinished", tuple(range(FITS)), 0)
