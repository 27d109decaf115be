"""Means, SDs and contrasts of a point as the numbers that `LongitudinalModel` samples in their place."""

from __future__ import annotations

import numpy as np
from scipy.stats import lognorm


def skewed_rate(mean, sd, row, skewness) -> dict[str, np.ndarray]:
    """Of a skewed falling rate: the median, and the SD times the slope of its quantiles there.

    `mean`: of the terms, (term, stratum), the rate in `row`; `sd`: of the random terms, (1, random term), that of the
    rate first. exp(k z) has median 1 and slope k there.
    """
    mean, sd = np.array(mean, float), np.array(sd, float)
    if skewness > 0:
        variable = lognorm(s=skewness)
        mean[row] += sd[..., 0] * (variable.mean() - 1.0) / variable.std()
        sd[..., 0] *= skewness / variable.std()
    return {"term_median": mean, "term_sd_at_median": sd}


def scaled_contrast(contrast, group_sd, effect_sd) -> np.ndarray:
    """Contrasts in SDs between start groups, (effect, ...), as sampled; `effect_sd`: the effects' prior SDs.

    The deviation is SD x contrast = SD x scaled x known / sqrt(known^2 + SD^2), known an eighth of the prior SD.
    """
    contrast = np.asarray(contrast, float)
    ratio = np.asarray(group_sd, float) / (np.asarray(effect_sd, float) / 8)
    return contrast * np.hypot(1.0, ratio).reshape((-1, *(1,) * (contrast.ndim - 1)))
