import numpy as np
import pymc as pm
import pytest
from pydantic import ValidationError

from bayesmodels.fitting.samplers import default_target_accept
from bayesmodels.fitting.settings import NutsSettings, affects_draws, chain_seeds, resolved, stream_seed


def test_chain_seeds_come_from_spawned_sequences():
    expected = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(7).spawn(3)]
    assert list(chain_seeds(NutsSettings(seed=7, chains=3))) == expected


def test_a_chain_keeps_its_seed_when_there_are_more_chains():
    assert chain_seeds(NutsSettings(seed=7, chains=2)) == chain_seeds(NutsSettings(seed=7, chains=5))[:2]


def test_streams_and_chains_have_seeds_of_their_own():
    seeds = [*chain_seeds(NutsSettings(seed=7, chains=100)), *(stream_seed(7, k) for k in range(10))]
    assert len(set(seeds)) == 110


def test_a_missing_seed_is_drawn_once_and_printed(capsys):
    settings = resolved(NutsSettings())
    assert str(settings.seed) in capsys.readouterr().err
    assert resolved(settings) == settings
    assert capsys.readouterr() == ("", "")


def test_cores_and_progress_do_not_affect_the_draws():
    assert affects_draws(NutsSettings(seed=1, cores=1, progress=True)) == affects_draws(NutsSettings(seed=1, cores=2))


@pytest.mark.parametrize(
    "wrong", [{"draw": 10}, {"sampler": "gibbs"}, {"target_accept": 1.0}, {"chains": 0}, {"seed": -1}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        NutsSettings(**wrong)


def test_models_of_persons_aim_at_longer_steps():
    with pm.Model(coords={"trial": ["a", "b"]}) as plain:
        pm.Normal("mean", dims="trial")
    with pm.Model(coords={"person": range(3)}) as by_person:
        pm.Normal("mean")
        pm.Normal("value", dims="person", observed=np.zeros(3))
    assert default_target_accept(plain) == resolved(NutsSettings(seed=1)).target_accept == 0.9
    assert default_target_accept(by_person) == 0.8
    assert resolved(NutsSettings(seed=1, target_accept=0.95), 0.8).target_accept == 0.95
    assert resolved(NutsSettings(seed=1), 0.8).target_accept == 0.8
