"""pbcseq joint model at the package's default priors against JMbayes2 and JM (figures: reference results).

reports/validation/hazard_priors has the rows that are not asserted, and what each prior of the hazard moves.
"""

from __future__ import annotations

import pytest
from validation.hazard_priors.study import PBCSEQ, REFERENCE, REFERENCE_SD, WITHIN, hazard, pbcseq, the_model

from bayesmodels.fitting import NutsSettings, sample

pytestmark = pytest.mark.slow

SETTINGS = NutsSettings(draws=3000, tune=1000, chains=4, cores=2, seed=11, target_accept=0.95, progress=False)
"""Enough draws for a Monte-Carlo error of .02 posterior SD; shorter steps than the default .8, at which 9 and 5 of
12,000 draws diverged with 7 and 15 pieces."""


@pytest.mark.parametrize(("baseline", "pieces"), [("spline", 0), ("weibull", 0), ("piecewise", 7), ("piecewise", 15)])
def test_association_is_near_the_other_softwares_with_the_same_baseline(baseline, pieces):
    if not PBCSEQ.exists():
        pytest.skip("pbcseq.csv is not beside the repository")
    tree = sample(the_model(hazard(baseline, pieces, "default")).build(pbcseq()), SETTINGS)
    association = float(tree["posterior"]["association"].mean())
    away = (association - REFERENCE[baseline]) / REFERENCE_SD
    print(f"{baseline} {pieces}: {association:.4f}, {away:+.2f} SD")
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    assert abs(away) < WITHIN
