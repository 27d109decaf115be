"""Studies handed to a compiled model: the data of a fresh build, and a fresh build where more than data differs."""

import numpy as np
import pytest
from averages_model import Averages
from toy_model import Toy
from toy_model import study as toy_study

from bayesmodels import LongitudinalModel, NutsSettings, alsfrs_r, fit, nfl_plasma, save, simulate_trials
from bayesmodels.errors import BadInput
from bayesmodels.trials.config import plan_of
from bayesmodels.trials.kept import Kept, Rule
from bayesmodels.trials.refits import ModelFits, same_graphs
from bayesmodels.trials.truths import Design, GeneratorTruth, PosteriorTruth, PriorTruth, Reading, SimulatedStudies

SMALL = Design(n_early=12, n_delayed=12, visit_weeks=(0, 4))
FEW = NutsSettings(chains=1, tune=100, draws=100)


def seed(number):
    return np.random.SeedSequence(1, spawn_key=(number, 0))


def test_data_of_a_longitudinal_model_are_those_of_a_fresh_build():
    source = SimulatedStudies(Design(n_early=36, n_delayed=18), GeneratorTruth(), Reading(), (0.0, 28.0))
    model = LongitudinalModel(outcomes=(nfl_plasma(), alsfrs_r()))
    fits = ModelFits(model, ("difference",))
    template, study = source.trial(seed(0)), source.trial(seed(1))
    arrays = fits._course_arrays(template, study)
    first, second = model.build(template), model.build(study)
    assert set(arrays) == {held.name for held in second.data_vars}
    for held in second.data_vars:
        np.testing.assert_array_equal(arrays[held.name], held.get_value())
    graphs = [[built.logp(), built["difference"]] for built in (first, second)]
    assert same_graphs(*graphs)
    strata = SimulatedStudies(source.design, source.truth, Reading(strata=True), (0.0, 28.0)).trial(seed(1))
    other_weeks = SimulatedStudies(source.design, source.truth, Reading(), (0.0, 24.0)).trial(seed(1))
    assert fits._course_arrays(template, strata) is None
    assert fits._course_arrays(template, other_weeks) is None
    assert not same_graphs([first["difference"]], [model.build(other_weeks)["difference"]])


def test_values_that_a_model_holds_as_constants_are_not_taken_for_data():
    model, study = Toy(), toy_study()
    visits = study.visits.assign(value=study.visits["value"] - 1)
    other = type(study).from_frames(study.persons, visits, name="other", reference_group="delayed")
    assert same_graphs([model.build(study).logp()], [model.build(study).logp()])
    assert not same_graphs([model.build(study).logp()], [model.build(other).logp()])
    fits = ModelFits(model, ("drug_effect",))
    fits.prepare(lambda: study)
    settings = NutsSettings(chains=1, tune=200, draws=300, seed=1, progress=False)
    assert [fits.fit(each, settings)[1]["compiled"] for each in (study, other)] == [False, True]
    with pytest.raises(BadInput, match="found first fixed"):
        fits.fit_drawn(study, settings, 1)


def test_a_posteriors_draws_give_truths(tmp_path):
    source = SimulatedStudies(SMALL, GeneratorTruth(), Reading())
    tree = fit(Averages(), source.trial(seed(9)), FEW.model_copy(update={"seed": 2, "progress": False}))
    save(tree, tmp_path / "posterior.nc")
    asked = {"keep": [Kept(variable="drug_effect")], "design": SMALL, "settings": FEW}
    truth = PosteriorTruth(posterior=tmp_path / "posterior.nc")
    found = simulate_trials(Averages(), truth=truth, fits=4, **asked)
    drawn = found.rows["truth"].to_numpy()
    held = tree["posterior"]["drug_effect"].to_numpy().ravel()
    assert len(set(drawn)) > 1
    assert all(np.isclose(held, value).any() for value in drawn)
    asked["design"] = Design(
        start_groups=[{"name": name, "drug_start_week": 0, "faster": 6, "slower": 6} for name in "abc"],
        visit_weeks=(0, 4),
    )  # fmt: skip
    with pytest.raises(BadInput, match=r"expected mean of shape \(3,\), found \(2,\)"):
        simulate_trials(Averages(), truth=truth, fits=4, **asked)


def test_what_is_random_in_a_fit_is_its_own():
    plan = plan_of(
        Averages(), design=SMALL, truth=PriorTruth(), reading=Reading(), keep=[Kept(variable="drug_effect")],
        rules=[Rule(name="up", variable="drug_effect")], settings=FEW, seed=1, interval=0.95,
    )  # fmt: skip
    later = plan.fit(3)[0]
    plan.fit(1)
    assert plan.fit(3)[0] == later
    assert len({plan.seed_of(number, which) for number in range(4) for which in range(3)}) == 12


def test_true_differences_have_the_reference_group_of_the_analysis():
    last, first = (
        SimulatedStudies(Design(), GeneratorTruth(), Reading(reference_group=group), (0.0, 28.0)).truths(
            ("difference",)
        )
        for group in (None, "early")
    )
    one = last["difference[alsfrs_r, early - delayed, all, week 28]"]
    other = first["difference[alsfrs_r, delayed - early, all, week 28]"]
    assert one == pytest.approx(-other)
    assert one > 0
    nothing = SimulatedStudies(Design(), GeneratorTruth(drug_effect=False), Reading(), (0.0, 28.0))
    assert set(nothing.truths(("difference",)).values()) == {0.0}
