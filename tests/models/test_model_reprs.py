"""What a notebook shows of a model: formulas, against the curves that it computes; priors, against their table."""

import re
from html import unescape

import joint_small
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from pydantic import BaseModel, ConfigDict
from scipy.special import gammainc
from small_study import study
from small_trials import eight_trials

from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.models import model_from_spec
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, replaced, svc
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.models.trial_level.one_stage import ClusteredEndpoint, OneStageModel
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.parts.curve import Curve, Term, basis_and_removed
from bayesmodels.parts.effects import (
    DeceleratingSlope,
    Follows,
    NoEffect,
    Plateau,
    ProportionalSlowing,
    SlopeChange,
    Step,
    Transit,
)
from bayesmodels.parts.formulas import WHERE, as_html, course_formula, said
from bayesmodels.parts.hazards import Exposure, Weibull
from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.parts.trajectories import Decelerating, Linear, NaturalSpline, Piecewise, level_and_rate

SIX_AND_NINE_MONTHS = tuple(months * 365.25 / 12 / 7 for months in (6, 9))
PIECEWISE = Piecewise(knot_weeks=SIX_AND_NINE_MONTHS)
RHO = LogNormal(median=0.1, sigma=0.3)
LATE = Normal(mean=0.0, sd=0.1)

TERMS = {"level": 37.0, "rate": -1.1, "rate_change_1": 0.4, "rate_change_2": -0.3, "effect": 0.7, "late_slope": 0.2}
LETTERS = {"lag": 1.3, "κ": 2.1, "ρ": 0.17, "share": 0.35, "delay": 2.7, "k": 3.6}
FREE = {
    "x_effect_lag": LETTERS["lag"],
    "x_effect_time_constant": LETTERS["κ"],
    "x_deceleration": LETTERS["ρ"],
    "x_effect_rho": LETTERS["ρ"],
    "x_transit_delay": LETTERS["delay"],
    "x_transit_stages": LETTERS["k"],
}


def in_python(formula):
    """A displayed formula as a Python expression."""
    text = formula.replace("−", "-").replace("[x > 0]", "float(x>0)").replace("∫_{0}^{x} h", "area(h, x)")
    text = re.sub(r"(\([^()]*\)|x)_\{\+\}", r"max(\1, 0.0)", text)
    text = re.sub(r"(\w)_\{(\d)\}", r"\1_\2", text)
    return re.sub(r"(?<=[\w)]) (?=[\w(])", "*", text)


def area(h, x):
    """Integral of h from 0 to x, by the trapezoidal rule; 0 where x is not above 0."""
    at = np.linspace(0.0, max(x, 0.0), 20001)
    return float(np.trapezoid([h(u) for u in at], at))


def shown(formula, t, x):
    """The number that a reader would compute from a displayed formula."""
    body, _, about = formula.partition(WHERE)
    names = TERMS | LETTERS | {"t": t, "x": x, "exp": np.exp, "max": max, "area": area, "float": float, "P": gammainc}
    for definition in re.split(r", (?=\w+(?:\([a-z]\))? = |\w+: )", about):
        left, equals, right = definition.partition(" = ")
        if equals and left.endswith(")"):
            names[left[0]] = eval(f"lambda {left[2]}: {in_python(right)}", names)
        elif equals:
            names[left] = eval(in_python(right), names)
    return eval(in_python(body), names)


def computed(trajectory, effect, t, x):
    """The same number from the curves that the model uses."""
    outcome = replaced(alsfrs_r(), {"name": "x", "trajectory": trajectory, "effect": effect})
    with pm.Model() as model:
        course = trajectory.curve(outcome)
        found, removed = basis_and_removed(
            course, effect.curve(outcome, course, {}), pytensor.shared(np.array([t])), pytensor.shared(np.array([x]))
        )
        total = sum(TERMS[name] * (basis - LETTERS["share"] * removed.get(name, 0.0)) for name, basis in found.items())
        inputs = model.free_RVs
        function = pytensor.function(inputs, total, mode=python_mode(), on_unused_input="ignore")
        return function(*(np.array(FREE[rv.name]) for rv in inputs))[0]


@pytest.mark.parametrize(
    ("trajectory", "effect"),
    [
        (Linear(), NoEffect()),
        (Linear(), Step()),
        (Linear(), SlopeChange(lag=2.0)),
        (Linear(), Plateau(drift_on_drug="stops", late_slope=LATE, late_after=3.0)),
        (Decelerating(rho=0.25), SlopeChange()),
        (Decelerating(), Plateau(lag=None, drift_on_drug="stops")),
        (Decelerating(), DeceleratingSlope(lag=1.0)),
        (Decelerating(), ProportionalSlowing()),
        (PIECEWISE, ProportionalSlowing(lag=None)),
        (PIECEWISE, Plateau(lag=0.5)),
        (PIECEWISE, Transit()),
        (Linear(), DeceleratingSlope(rho=RHO)),
    ],
)
def test_a_displayed_formula_is_what_the_model_computes(trajectory, effect):
    formula = course_formula(trajectory, effect, {})
    for t, x in ((3.0, -2.0), (4.0, 0.4), (11.0, 5.0), (20.0, 20.0)):
        assert shown(formula, t, x) == pytest.approx(computed(trajectory, effect, t, x), rel=1e-6)


def test_the_displayed_hazard_is_what_the_model_computes():
    exposure = Exposure(np.zeros(3), np.array([4.0, 9.0, 20.0]), np.ones(3, bool))
    baseline = Weibull().baseline(exposure)
    level, k = -4.2, 1.6
    # Columns are 1 and log(t / typical): the first coefficient is the log hazard at the typical event.
    centred = level + (k - 1) * np.log(exposure.typical / 12)
    for t in (1.0, 7.0, 30.0):
        computed = np.array([centred, k - 1]) @ baseline.columns(np.array([t]))[:, 0]
        formula = in_python(Weibull().formula).replace("^{k - 1}", "**(k - 1)")
        assert np.log(eval(formula, {"exp": np.exp, "level": level, "t": t, "k": k})) == pytest.approx(computed)


class Sagging(BaseModel):
    """A trajectory of a user's, with nothing said of its formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def curve(self, outcome) -> Curve:
        sag = Term(Normal(mean=0.0, sd=0.1), outcome.rate_sd_prior, "{unit} per month squared")
        return Curve(level_and_rate(outcome) | {"sag": sag}, lambda t: {"level": t**0, "rate": t, "sag": t**2})


class Told(Sagging):
    """The same, with its formula."""

    formula: str = "level + rate t + sag t^{2}"


class Broken(BaseModel):
    """A drug effect of a user's that cannot be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def curve(self, outcome, trajectory, effects) -> Curve:
        raise ZeroDivisionError("no <curve>")


DEFAULT = LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r"))


def upright(model):
    """What a notebook shows, without italics."""
    return re.sub("</?i>", "", model._repr_html_())


def test_the_text_is_a_line_for_each_outcome():
    assert repr(DEFAULT).splitlines() == [
        "LongitudinalModel of nfl_plasma, alsfrs_r",
        "  ln nfl_plasma: Decelerating, Plateau, random walk; between persons: level, rate, effect",
        "  alsfrs_r: Decelerating, ProportionalSlowing, random walk; between persons: level, rate (skewed)",
    ]
    assert str(DEFAULT) == repr(DEFAULT)
    changed = LongitudinalModel(outcomes=("svc",), pooling="none", covariates={"rate": ("age",)})
    assert repr(changed).splitlines() == [
        "LongitudinalModel of svc",
        "  svc: Linear, SlopeChange; between persons: level, rate",
        "  options: pooling = none, age on the rate",
    ]
    joint = joint_small.model("weibull", ("value", "area"))
    assert repr(joint).splitlines()[2:] == [
        "  death: Weibull hazard; age, start group, on the drug, value of score, area of score",
        "  left: PiecewiseConstant hazard",
    ]


def test_the_formulas_name_what_differs_between_persons_and_groups():
    html = upright(DEFAULT)
    assert "<b>ln nfl_plasma</b>" in html
    assert "rate<sub>i</sub> (1 − exp(−0.125 t)) / 0.125" in html
    assert "effect<sub>i</sub> h(x)" in html
    assert "share<sub>g</sub> (f(t) − f(t − u))" in html
    for words in ("t: months since randomisation", "i: person", "g: start group", "alsfrs_r 0 to 48"):
        assert words in html
    pooled = upright(LongitudinalModel(outcomes=("svc",), pooling="complete"))
    assert "y = level<sub>i</sub> + rate<sub>i</sub> t + effect x<sub>+</sub> + e" in pooled
    assert "http" not in html


def rows(table):
    return set(table[["parameter", "prior", "unit"]].itertuples(index=False, name=None))


def cells(html):
    """Cells of the last table of a page, by row, with the headings first."""
    last = html.rpartition("<table")[2]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", last)]


def shown_rows(model):
    head, *body = cells(model._repr_html_())
    at = [head.index(name) for name in ("parameter", "prior", "unit")]
    assert body
    return {tuple(unescape(row[k]) for k in at) for row in body}


def test_the_priors_shown_are_those_of_the_table():
    data = study()
    known = shown_rows(DEFAULT)
    missing = rows(prior_table(DEFAULT, data)) - known
    assert known < rows(prior_table(DEFAULT, data))
    assert {parameter for parameter, *_ in missing} == {
        "shares of two strata", "start groups' shares about it", "SD of effect between start groups",
    }  # fmt: skip
    visit = VisitModel(outcomes=("alsfrs_r", "nfl_plasma"), covariates=("age",))
    assert shown_rows(visit) == rows(prior_table(visit, data))
    assert shown_rows(SharedRateModel()) == rows(prior_table(SharedRateModel()))
    means = PublishedMeansModel(outcomes=("valor_alsfrs_r",))
    assert shown_rows(means) == rows(prior_table(means))
    joint = joint_small.model("spline", ("value",))
    known, table = shown_rows(joint), rows(prior_table(joint, joint_small.study()))
    of = {parameter: prior for parameter, prior, _ in table}
    assert {p: prior for p, prior, _ in known if p.startswith("left: ")} == {
        p: prior for p, prior in of.items() if p.startswith("left: ")
    }
    assert ("death: log hazard ratio of age", "Normal(0, 1)", "per SD of the covariate") in known
    assert ("death: association with value", "Normal(0, 1)", "log hazard ratio per typical SD") in known
    assert "death: association with value" in of


def test_models_of_trials_show_scales_and_equations():
    model = TrialLevelModel(surrogate_scale=0.3, outcome_scale=0.2, classes="exchangeable")
    assert "surrogate 0.3, outcome 0.2" in repr(model)
    assert {prior for _, prior, _ in shown_rows(model)} == {
        prior for _, prior, _ in rows(prior_table(model, eight_trials()))
    }
    assert "R<sup>2</sup> = ρ<sup>2</sup>" in upright(model)
    end = ClusteredEndpoint(effect_scale=1.5, patient_sd=4.0)
    one = OneStageModel(surrogate=end, outcome=end)
    assert "patient SD 4" in repr(one)
    assert ("mean effect", "Normal(0, 3)", "") in shown_rows(one)
    assert "v: visit" not in one._repr_html_()


def test_a_part_of_ones_own_is_shown_by_its_name_or_its_formula():
    silent = LongitudinalModel(outcomes=(replaced(svc(), {"trajectory": Sagging()}),))
    assert "svc: Sagging, SlopeChange; between persons: level, rate, sag" in repr(silent)
    html = upright(silent)
    assert "y = Sagging(t) + effect<sub>g</sub> x<sub>+</sub> + e" in html
    assert "person SD of sag" in html
    told = upright(LongitudinalModel(outcomes=(replaced(svc(), {"trajectory": Told()}),)))
    assert "y = level<sub>i</sub> + rate<sub>i</sub> t + sag<sub>i</sub> t<sup>2</sup> + effect" in told


def test_a_model_whose_parts_cannot_be_made_is_shown_all_the_same():
    broken = LongitudinalModel(outcomes=(replaced(svc(), {"effect": Broken()}),))
    assert "svc: Linear, Broken" in repr(broken)
    assert "Its priors cannot be listed: ZeroDivisionError: no &lt;curve&gt;" in broken._repr_html_()
    unsigned = LongitudinalModel(outcomes=(replaced(svc(), {"effect": ProportionalSlowing()}),))
    assert "needs a rate whose prior has a sign" in unsigned._repr_html_()
    alone = LongitudinalModel(outcomes=(replaced(svc(), {"effect": Follows(outcome="nfl"), "trajectory": "linear"}),))
    assert "effect of the drug on nfl" in alone._repr_html_()


def test_names_are_escaped_and_no_markup():
    name = "<b>x_{2}</b>"
    model = LongitudinalModel(outcomes=(replaced(svc(), {"name": "<i>x_{2}"}),))
    html = model._repr_html_()
    assert "<i>x_" not in html
    assert "&lt;i&gt;x_{2}" in html.replace("\u2060", "")
    assert as_html(said(name)).replace("<i>", "").replace("</i>", "") == "&lt;b&gt;x_{2}&lt;/b&gt;"
    joint = joint_small.model()
    event = replaced(joint.events[0], {"name": "<u>death", "covariates": ("<s>age",)})
    assert not re.search("<u>|<s>", replaced(joint, {"events": (event,)})._repr_html_())


def test_showing_a_model_changes_nothing():
    with pm.Model() as around:
        repr(DEFAULT)
        DEFAULT._repr_html_()
    assert around.free_RVs == []
    assert model_from_spec(DEFAULT.model_dump(mode="json")) == DEFAULT
    assert len(NaturalSpline(knot_weeks=(0, 10, 20)).model_dump()) == 2  # a formula is no field


def test_a_table_of_priors_is_a_data_frame_shown_with_text_on_the_left():
    table = prior_table(DEFAULT, study())
    assert type(table[["prior", "unit"]]) is pd.DataFrame
    assert type(table[table["outcome"] == "alsfrs_r"]) is pd.DataFrame
    html = table._repr_html_()
    assert "text-align: left" in html
    assert "text-align: right" not in html
    assert "stratum" not in cells(html)[0]  # every row is for all strata
    assert cells(html)[0] == ["outcome", "parameter", "prior", "unit", "source"]


@pytest.mark.parametrize(
    "model",
    [
        VisitModel(outcomes=("alsfrs_r",), covariates=("age",), visit_weeks=(0, 4, 28), covariance="ar1"),
        SharedRateModel(regimen_column="regimen", covariates=("delay",)),
        PublishedMeansModel(outcomes=("valor_nfl_plasma",)),
    ],
)
def test_other_models_have_a_short_text_and_formulas(model):
    text = repr(model)
    assert text.startswith(type(model).__name__)
    assert len(text.splitlines()) <= 5
    assert "<sub>" in model._repr_html_()
    for word in ("ar1", "28", "age") if isinstance(model, VisitModel) else ():
        assert word in text
