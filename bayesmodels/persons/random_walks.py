"""Brownian paths of persons at given times, given the deviations of earlier visits from their course."""

from __future__ import annotations

import numpy as np


def draw_paths(
    past: np.ndarray,
    residual: np.ndarray,
    present: np.ndarray,
    future: np.ndarray,
    random_walk: np.ndarray,
    sigma: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One draw of every person's path, by Matheron's rule: a draw of the prior, corrected for the visits.

    Parameters
    ----------
    past, residual, present : (person, slot)
        Months since randomisation of the visits; value less course; whether there is a visit.
    future : (person, week)
        Months since randomisation, increasing.
    random_walk, sigma : (person,)
        SD of the path per square root of a month, and of a visit's error.

    Returns
    -------
    ndarray
        (person, week)

    References
    ----------
    Journel and Huijbregts (1978), Mining Geostatistics, conditional simulation.
    """
    n, slots = past.shape
    past, future = np.maximum(past, 0.0), np.maximum(future, 0.0)
    times = np.concatenate([past, future], axis=1)
    order = np.argsort(times, axis=1, kind="stable")
    steps = np.diff(np.take_along_axis(times, order, axis=1), axis=1, prepend=0.0)
    sorted_path = np.cumsum(np.sqrt(steps) * rng.standard_normal(steps.shape), axis=1) * random_walk[:, None]
    path = np.empty_like(sorted_path)
    np.put_along_axis(path, order, sorted_path, axis=1)
    if not slots:
        return path
    off = residual - path[:, :slots] - sigma[:, None] * rng.standard_normal((n, slots))
    both = present[:, :, None] & present[:, None, :]
    shared = random_walk[:, None, None] ** 2 * np.minimum(past[:, :, None], past[:, None, :])
    covariance = np.where(both, shared, 0.0) + (sigma[:, None] ** 2)[:, :, None] * np.eye(slots)
    weights = np.linalg.solve(covariance, np.where(present, off, 0.0)[:, :, None])
    onto = np.where(present[:, None, :], np.minimum(future[:, :, None], past[:, None, :]), 0.0)
    return path[:, slots:] + random_walk[:, None] ** 2 * (onto @ weights)[:, :, 0]
