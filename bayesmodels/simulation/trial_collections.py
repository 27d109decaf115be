"""Collections of two-arm trials with a surrogate and an outcome: true effects, estimates, and patients.

    (alpha_i, beta_i) ~ Normal(mean, sd, correlation)             true effects of trial i, active minus control
    (S, T)_ij = effect_i x_ij + e_ij,  x = -1/2 or +1/2            patient j; e with patient_sd, individual_correlation

With n patients an arm the two estimates of a trial have standard errors patient_sd sqrt(2 / n) and the correlation of
the patients' values. In the named collections a lower surrogate and a higher outcome are good (NfL, ALSFRS-R).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

Pair = tuple[float, float]


@dataclass(frozen=True)
class CollectionTruth:
    """How true effects vary between trials, and patients within them; pairs are surrogate, outcome.

    Parameters
    ----------
    name : str
    meaning : str
        What kind of surrogate it is, in words.
    mean, sd : pair
        Of the true effects over trials.
    correlation : float
        Of the true effects; its square is R2_trial.
    patient_sd : pair
        SD between patients of an arm.
    individual_correlation : float
        Of the two values within an arm; its square is R2_indiv.
    """

    name: str
    meaning: str
    mean: Pair
    sd: Pair
    correlation: float
    patient_sd: Pair = (0.5, 0.75)
    individual_correlation: float = 0.2

    @property
    def r2_trial(self) -> float:
        """Squared correlation of the true effects."""
        return self.correlation**2

    @property
    def slope(self) -> float:
        """Effect on the outcome per effect on the surrogate, over trials."""
        return self.correlation * self.sd[1] / self.sd[0]

    @property
    def intercept(self) -> float:
        """Effect on the outcome of a drug without effect on the surrogate."""
        return self.mean[1] - self.slope * self.mean[0]

    def standard_errors(self, patients_per_arm: int) -> Pair:
        """Of the estimated effects of a trial."""
        factor = np.sqrt(2 / patients_per_arm)
        return self.patient_sd[0] * factor, self.patient_sd[1] * factor


COLLECTIONS: dict[str, CollectionTruth] = {
    truth.name: truth
    for truth in (
        CollectionTruth(
            "null", "no association, neither between patients nor between trials",
            (-0.3, 0.0), (0.3, 0.25), 0.0, individual_correlation=0.0,
        ),
        CollectionTruth(
            "perfect", "the whole effect on the outcome goes through the surrogate: the line between trials is the "
            "line between patients, through the origin, without spread",
            (-0.3, 0.4455), (0.3, 0.4455), -1.0, individual_correlation=-0.99,
        ),
        CollectionTruth(
            "paradox",
            "patients with a lower surrogate fare better, but drugs that lower it more do more harm: R2_trial .95 with "
            "the wrong sign",
            (-0.3, -0.15),
            (0.3, 0.25),
            float(np.sqrt(0.95)),
            individual_correlation=-0.6,
        ),
        CollectionTruth(
            "harmful",
            "a paradox of the other kind: effects go together in the good direction, R2_trial .95, but every drug does "
            "harm besides, so that most that lower the surrogate harm",
            (-0.3, -0.3),
            (0.3, 0.25),
            -float(np.sqrt(0.95)),
            individual_correlation=-0.6,
        ),
        CollectionTruth(
            "confounded", "an unmeasured cause ties surrogate and outcome within patients; effects are unrelated",
            (-0.3, 0.0), (0.3, 0.25), 0.0, individual_correlation=-0.8,
        ),
        CollectionTruth(
            "ordinary", "R2_trial .8 with an individual correlation of .6",
            (-0.3, 0.2), (0.3, 0.25), -float(np.sqrt(0.8)), individual_correlation=-0.6,
        ),
    )
}  # fmt: skip
"""Six kinds of surrogate, by name. Spreads of true effects: 0.3 ln, and 0.25 points a month, as for ALS trials."""


def simulate_effects(
    truth: CollectionTruth, trials: int, *, seed: int | np.random.Generator, patients_per_arm: int = 50
) -> pd.DataFrame:
    """A trial-level table: estimates with known standard errors, and the true effects behind them.

    Parameters
    ----------
    truth : CollectionTruth
    trials : int
    seed : int or Generator
    patients_per_arm : int
        Sets the standard errors.

    Returns
    -------
    DataFrame
        trial, surrogate_effect, surrogate_se, outcome_effect, outcome_se, within_correlation, true_surrogate_effect,
        true_outcome_effect.
    """
    rng = np.random.default_rng(seed)
    true = _true_effects(truth, trials, rng)
    se = np.array(truth.standard_errors(patients_per_arm))
    estimate = true + se * _correlated(rng, trials, truth.individual_correlation)
    return pd.DataFrame(
        {
            "trial": _labels(trials),
            "surrogate_effect": estimate[:, 0],
            "surrogate_se": se[0],
            "outcome_effect": estimate[:, 1],
            "outcome_se": se[1],
            "within_correlation": truth.individual_correlation,
            "true_surrogate_effect": true[:, 0],
            "true_outcome_effect": true[:, 1],
        }
    )


def simulate_patients(
    truth: CollectionTruth, trials: int, *, seed: int | np.random.Generator, patients_per_arm: int = 50
) -> pd.DataFrame:
    """Patients of every trial with one surrogate and one outcome value each.

    Returns
    -------
    DataFrame
        cluster (the trial), treatment (0 control, 1 active), surrogate, outcome.
    """
    rng = np.random.default_rng(seed)
    true = _true_effects(truth, trials, rng)
    n = 2 * patients_per_arm
    treatment = np.tile(np.repeat([0, 1], patients_per_arm), trials)
    residual = _correlated(rng, trials * n, truth.individual_correlation) * np.array(truth.patient_sd)
    value = np.repeat(true, n, axis=0) * (treatment - 0.5)[:, None] + residual
    return pd.DataFrame(
        {
            "cluster": np.repeat(_labels(trials), n),
            "treatment": treatment,
            "surrogate": value[:, 0],
            "outcome": value[:, 1],
        }
    )


def _labels(trials: int) -> list[str]:
    return [f"trial-{k + 1:03d}" for k in range(trials)]


def _true_effects(truth: CollectionTruth, trials: int, rng: np.random.Generator) -> np.ndarray:
    return np.array(truth.mean) + np.array(truth.sd) * _correlated(rng, trials, truth.correlation)


def _correlated(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    """Standard normal pairs, (n, 2)."""
    z = rng.standard_normal((n, 2))
    return np.column_stack([z[:, 0], correlation * z[:, 0] + np.sqrt(1 - correlation**2) * z[:, 1]])
