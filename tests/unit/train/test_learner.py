"""One training step: sharpness-aware steps, the corpus adversary, margins, mixup, averages."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")
accelerate = pytest.importorskip("accelerate", reason="training needs the extra [train]")

from dataclasses import replace

import lab_files

from earwitness.config import build, with_overrides
from earwitness.train.adversary import AdversarySettings, SourceAdversary, source_loss
from earwitness.train.batches import Batch
from earwitness.train.checkpoint import Average
from earwitness.train.descent import OptimizerSettings, learning_rate, make_optimizer
from earwitness.train.learner import Learner, mixed
from earwitness.train.recipe import Network, Recipe
from earwitness.train.teacher import NONE


def recipe(*overrides: str) -> Recipe:
    import tomllib

    return build(Recipe, with_overrides(tomllib.loads(lab_files.RECIPE), overrides), where="test")


def batch(size: int = 8, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    target = torch.tensor([0.0, 0, 1, 1] * (size // 4))
    source = torch.arange(size) // 4
    wave = torch.randn(size, 8000, generator=generator)
    answer = torch.where(torch.arange(size) % 3 == 0, NONE, 0.25 + 0.5 * target)
    return Batch(wave, target, source, source, torch.zeros(size, dtype=torch.bool), answer)


def learner(*overrides: str) -> Learner:
    chosen = recipe(*overrides)
    torch.manual_seed(0)
    return Learner(chosen, Network(chosen), 2, accelerate.Accelerator(cpu=True))


OPTIONS = {
    "plain": [],
    "sam": ["optimizer.sam=0.1"],
    "adaptive sam": ["optimizer.sam=0.5", "optimizer.sam_adaptive=true"],
    "adversary": ["adversary.share=0.5"],
    "contrast": ["also=[{name='supcon', share=0.3, settings={within='group'}}]"],
    "am_softmax": ["loss.name='am_softmax'"],
    "oc_softmax": ["loss.name='oc_softmax'"],
    "focal": ["loss.name='focal'"],
    "mixup": ["mixup=0.4"],
    "teacher": ["teacher.answers='read before'"],
    "half a teacher": ["teacher.answers='read before'", "teacher.share=0.5"],
    "sgd": ["optimizer.name='sgd'", "optimizer.lr=0.05"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_same_step_twice_is_the_same_and_learning_goes_down(name: str) -> None:
    first, second = learner(*OPTIONS[name]), learner(*OPTIONS[name])
    one = batch()
    losses = [first.step(one, step, 0.1) for step in range(12)]
    assert [second.step(one, step, 0.1) for step in range(12)] == losses
    assert sum(losses[-3:]) < sum(losses[:3])


def test_options_change_the_weights() -> None:
    after = {}
    for name, overrides in OPTIONS.items():
        made = learner(*overrides)
        for step in range(2):
            made.step(batch(), step, 0.5)
        after[name] = made.network.model.stem[0].weight.detach().clone()
    names = list(after)
    for place, name in enumerate(names):
        for other in names[:place]:
            assert not torch.equal(after[name], after[other]), (name, other)


def test_sharpness_aware_gradient_is_that_of_the_climbed_weights() -> None:
    """One SAM step with SGD by hand: gradient at w + rho g / |g|, applied at w."""
    settings = ["optimizer.name='sgd'", "optimizer.lr=0.1", "optimizer.betas=[0.0, 0.0]", "optimizer.clip_norm=0.0"]
    settings += ["optimizer.weight_decay=0.0", "optimizer.warmup=0.0", "optimizer.schedule='constant'"]
    made, hand = learner(*settings, "optimizer.sam=0.2"), learner(*settings)
    one = batch()
    hand._backward(one, recipe().seed * 1_000_003, 0.0)
    norm = torch.stack([p.grad.norm() for p in hand.trained]).norm()
    before = [p.detach().clone() for p in hand.trained]
    with torch.no_grad():
        for p in hand.trained:
            p.add_(p.grad * (0.2 / norm))
    statistics = [m.running_mean.clone() for m in hand.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hand.prepared.zero_grad()
    hand.trainee.train()
    hand._backward(one, recipe().seed * 1_000_003, 0.0)
    made.step(one, 0, 0.0)
    for p, old, other in zip(hand.trained, before, made.trained, strict=True):
        torch.testing.assert_close(other.detach(), old - 0.1 * p.grad, rtol=1e-4, atol=1e-6)
    found = [m.running_mean for m in made.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(torch.equal(a, b) for a, b in zip(statistics, found, strict=True))


def test_adversary_learns_and_the_network_gets_the_turned_gradient() -> None:
    settings = AdversarySettings(share=0.7, hidden=4, steepness=10.0)
    adversary = SourceAdversary(settings, width=3, sources=2)
    embedding = torch.randn(5, 3, requires_grad=True)
    sources = torch.tensor([0, 1, 0, -1, 1])
    source_loss(adversary(embedding, 1.0), sources).backward()
    plain = embedding.detach().clone().requires_grad_()
    source_loss(adversary.layers(plain), sources).backward()
    torch.testing.assert_close(embedding.grad, -adversary.strength(1.0) * plain.grad)
    assert adversary.strength(0.0) == 0.0
    assert adversary.strength(1.0) == pytest.approx(0.7, abs=1e-3)
    assert float(embedding.grad[3].abs().sum()) == 0.0


def test_plain_mean_of_the_last_weights() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    average = Average(model, 0.9, mean_from=2)
    for step, value in enumerate([5.0, 6.0, 1.0, 2.0, 6.0]):
        model.weight.data.fill_(value)
        average.update(model, step)
        if step == 1:
            assert float(average.values["weight"]) == 6.0
    assert float(average.values["weight"]) == pytest.approx(3.0)


def test_mixup_mixes_clips_and_says_with_which() -> None:
    one = batch()
    waves, other, share = mixed(one, 0.5, torch.Generator().manual_seed(3))
    assert 0 <= share <= 1
    assert sorted(other.tolist()) == list(range(8))
    torch.testing.assert_close(waves, share * one.waveform + (1 - share) * one.waveform[other])


def test_schedules() -> None:
    def curve(**settings: object) -> list[float]:
        made = replace(OptimizerSettings(warmup=0.0), **settings)
        return [round(learning_rate(step / 10, step, 10, made), 3) for step in range(10)]

    assert curve(schedule="constant") == [1.0] * 10
    assert curve(schedule="step", every=0.4, factor=0.1) == [1.0] * 4 + [0.1] * 4 + [0.01] * 2
    assert curve()[:3] == [1.0, 1.0, 0.97]
    assert curve(lr_end=0.5)[-1] > 0.5
    assert curve(schedule="constant", warmup=0.4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_weights_that_are_frozen_are_left_alone() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    network[0].requires_grad_(False)
    optimizer = make_optimizer(network, OptimizerSettings(name="adam"))
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == 3


def test_inherited_parts_have_a_rate_of_their_own() -> None:
    encoder = ["frontend.name=whisper_mel", "frontend.settings={}", "model.name=speech_transformer"]
    small = "model.settings={width = 16, heads = 2, hidden = 32, neck = 8}"
    moved = {}
    for share in (1.0, 0.0):
        taught = learner(*encoder, small, f"optimizer.inherited={share}", "optimizer.weight_decay=0.0")
        before = {name: value.clone() for name, value in taught.network.named_parameters()}
        taught.step(batch(), step=0, progress=0.0)
        changed = {n for n, value in taught.network.named_parameters() if not torch.equal(value, before[n])}
        moved[share] = {name.split(".")[1] for name in changed}
    assert moved[1.0] == {"first", "second", "blocks", "neck", "last"}
    assert moved[0.0] == {"neck", "last"}
