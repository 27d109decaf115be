"""The worked examples of CONTRIBUTING, as printed: a part, an analysis, a chapter, a variable and a model."""

import json
import re
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

from bayesmodels import (
    Event,
    JointEventModel,
    LongitudinalModel,
    NutsSettings,
    alsfrs_r,
    fit,
    prior_table,
    publish,
    read_study,
    replaced,
    report,
)
from bayesmodels.errors import BadInput
from bayesmodels.parts.hazards import Exposure
from bayesmodels.reporting import CHAPTERS
from bayesmodels.vocabulary import VARIABLES, months

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "data" / "examples" / "simulated-trial"
FEW = NutsSettings(draws=200, tune=200, chains=4, seed=3, cores=1, progress=False)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """One module with every example, beside which nothing is edited."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("contributing")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.S | re.M)
    (folder / "worked_examples.py").write_text("\n\n".join(blocks), encoding="utf-8")
    sys.path.append(str(folder))
    invalidate_caches()
    yield import_module("worked_examples")
    sys.path.remove(str(folder))
    del sys.modules["worked_examples"]


@pytest.fixture(scope="module")
def study():
    return read_study(STUDY, reference_group="delayed", curve_weeks=[0, 28, 52])


@pytest.fixture(scope="module")
def posterior(examples, study):
    return fit(examples.MeanChange(), study, FEW, analyses=(examples.Relevance(margin=1.0),))


def test_the_part_is_the_curve_that_it_says(examples, study):
    outcome = replaced(alsfrs_r(), {"trajectory": examples.Logarithmic(), "effect": {"type": "none"}})
    model = LongitudinalModel(outcomes=(outcome,)).build(study)
    names = ("population_level", "population_rate", "latent_curve")
    level, rate, curve = pm.draw([model[name] for name in names], random_seed=1)
    expected = level[0, 0] + rate[0, 0] * np.log1p(months(np.array(study.curve_weeks)))
    np.testing.assert_allclose(curve[0, 0, 0], expected, rtol=1e-6)


def test_the_hazard_is_the_line_that_it_says_on_the_log_scale(examples, study):
    event = Event(name="death", of=("death", "ventilation"), terminal=True, baseline=examples.Gompertz())
    outcome = replaced(alsfrs_r(), {"effect": {"type": "none"}})
    model = JointEventModel(outcomes=(outcome,), events=(event,))
    assert {"death_level", "death_trend"} <= set(model.build(study).named_vars)
    priors = prior_table(model, study).set_index("parameter")["unit"]
    assert priors["death: trend of the log baseline hazard"] == "per month"
    with pm.Model():
        part = examples.Gompertz().baseline(Exposure(np.zeros(2), np.full(2, 24.0), np.ones(2, bool)))
        level_and_trend = part.coefficients("death", 0.5)
        drawn, level, trend = pm.draw([level_and_trend, *pm.modelcontext(None).free_RVs], random_seed=2)
    t = np.array([0.0, 6.0, 24.0])
    np.testing.assert_allclose(drawn @ part.columns(t), level + trend * t)


def test_the_model_gets_the_conjugate_answer(study, posterior):
    """Given sigma, a group's mean is normal about its mean change, shrunk to 0 by Normal(0, 10)."""
    visits = study.visits[study.visits["outcome"] == "alsfrs_r"].sort_values("week").groupby("person")["value"]
    change = visits.last() - visits.first()
    group = study.persons.set_index("person")["start_group"][change.index]
    draws = posterior["posterior"]
    sigma2 = float((draws["sigma"] ** 2).mean())
    for name, values in change.groupby(group):
        expected = values.sum() / (len(values) + sigma2 / 100)
        assert abs(float(draws["mean"].sel(start_group=name).mean()) - expected) < 0.3 * np.sqrt(sigma2 / len(values))


def test_the_model_fills_the_table_of_priors(examples, study):
    table = prior_table(examples.MeanChange(prior_sd=4.0), study)
    assert table["prior"].tolist() == ["Normal(0, 4)", "HalfNormal(5)"]


def test_the_analysis_is_in_the_posterior(posterior):
    effect = posterior["posterior"]["drug_effect"].to_numpy()
    found = posterior["relevance"]["probability"].to_numpy()
    np.testing.assert_allclose(found, [[(np.abs(effect) > 1.0).mean()]])


def test_the_analysis_refuses_before_sampling(examples):
    assert examples.Relevance(margin=1.0).problems(examples.MeanChange(), object()) == [
        "expected data with start groups, got object"
    ]
    with pytest.raises(BadInput, match="made once"):
        fit(examples.MeanChange(), None, FEW, analyses=(examples.Relevance(margin=1.0),) * 2)


def test_the_chapter_is_on_the_page_and_in_the_summary(examples, posterior, tmp_path):
    result = report(posterior, tmp_path / "report", chapters=(*CHAPTERS, examples.RelevanceChapter()))
    found = posterior["relevance"]["probability"].item()
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    summary = json.loads((tmp_path / "report" / "summary.json").read_text(encoding="utf-8"))
    assert "Is the effect large enough to matter?" in page
    assert summary["chapters"]["relevance"]["probability"]["alsfrs_r"] == pytest.approx(found)
    assert result.tables["relevance"]["probability"].tolist() == [pytest.approx(found)]
    assert "relevance" in result.figures


def test_the_variable_is_published_under_its_dims_and_reported(examples, study, monkeypatch):
    row = examples.half_decline
    with pytest.raises(BadInput, match="half_decline"), pm.Model():
        publish(row.name, np.ones((1, 1)))
    monkeypatch.setitem(VARIABLES, row.name, row)

    class WithHalfDecline(examples.MeanChange):
        """Publishes `half_decline`, too."""

        def build(self, data):
            with super().build(data) as model:
                publish("half_decline", pm.math.exp(model["mean"][0])[None, None])
            return model

    posterior = fit(WithHalfDecline(), study, FEW)
    assert posterior["posterior"]["half_decline"].dims[2:] == ("outcome", "stratum")
    table = report(posterior).tables["parameters"]
    found = table[table["name"] == "half_decline"].iloc[0]
    assert found["unit"] == "months"
    assert found["median"] == pytest.approx(float(posterior["posterior"]["half_decline"].median()))
