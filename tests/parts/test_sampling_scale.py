"""The scale on which SDs with a half-normal prior are sampled."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.tensor import dvector
from scipy import integrate, stats

from bayesmodels.parts.sampling_scale import HalfNormalScale, half_normal

SCALE = 1.7


@pytest.fixture(scope="module")
def functions():
    transform, value = HalfNormalScale(SCALE), dvector()
    mode = pytensor.compile.mode.Mode(linker="py", optimizer=None)
    return tuple(
        pytensor.function([value], method(value), mode=mode)
        for method in (transform.backward, transform.forward, transform.log_jac_det)
    )


def test_sd_is_the_mean_of_a_normal_number_cut_off_at_zero(functions):
    backward, _, _ = functions
    z = np.array([-6.0, -1.0, 0.0, 0.5, 4.0])
    expected = [integrate.quad(lambda x, at=at: x * stats.norm.pdf(x - at), 0.0, at + 12.0)[0] for at in z]
    np.testing.assert_allclose(backward(z)[1:], SCALE * np.array(expected)[1:], rtol=1e-8)
    assert 0 < backward(z)[0] < 1e-8


def test_forward_undoes_backward_from_tiny_to_huge(functions):
    backward, forward, _ = functions
    z = np.concatenate([np.linspace(-12.0, 12.0, 97), [-30.0, 200.0, 1e6]])
    np.testing.assert_allclose(forward(backward(z)), z, rtol=1e-9, atol=1e-9)


def test_jacobian_is_the_derivative(functions):
    backward, _, log_jacobian = functions
    z, step = np.linspace(-4.0, 6.0, 41), 1e-6
    slope = (backward(z + step) - backward(z - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(log_jacobian(z)), slope, rtol=1e-6)


def test_prior_integrates_to_one_on_the_sampled_scale():
    with pm.Model() as model:
        half_normal("sd", SCALE)
    value = model.rvs_to_values[model["sd"]]
    logp = pytensor.function([value], model.logp(), mode=pytensor.compile.mode.Mode(linker="py", optimizer=None))
    z = np.linspace(-9.0, 9.0, 2001)
    density = np.exp([float(logp(at)) for at in z])
    assert integrate.trapezoid(density, z) == pytest.approx(1.0, abs=1e-9)
