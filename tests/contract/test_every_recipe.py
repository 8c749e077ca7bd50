"""What every shipped recipe must keep: it loads, says where it comes from, is built, takes a step, has its numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from importlib.resources import files

import pytest

torch = pytest.importorskip("torch", reason="recipes belong to the lab half")
accelerate = pytest.importorskip("accelerate", reason="recipes belong to the lab half")

from earwitness.augment import AUGMENTS
from earwitness.config import with_overrides
from earwitness.errors import ConfigError
from earwitness.models import MODELS
from earwitness.registry import find
from earwitness.train.batches import Augmenter, Batch
from earwitness.train.learner import Learner
from earwitness.train.recipe import Network, Recipe, load_recipe, recipe_names

IMAGE = "{embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type='basic'}"
EFFICIENT = (
    "{in_channels=[8, 8], out_channels=[8, 16], kernel_sizes=[3, 3], strides=[1, 2], num_block_repeats=[1, 1],"
    " expand_ratios=[1, 2], hidden_dim=320, width_coefficient=0.25}"
)
SPEECH = "{hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32}"
WHISPER = "{d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32}"
SMALLER = {
    "resnet": IMAGE,
    "efficientnet": EFFICIENT,
    "wav2vec2": SPEECH,
    "xlsr": SPEECH,
    "hubert": SPEECH,
    "wavlm": SPEECH,
    "ast": SPEECH,
    "whisper": WHISPER,
}
"""Beginning of a model's name to an architecture of the same class that a test can afford."""

OWN = {"default", "wide"}
"""The project's own recipes, which follow no source; docs/train.md gives their reasons."""


def pretrained(recipe: Recipe) -> bool:
    return hasattr(find(MODELS, recipe.model.name).Settings, "pretrained")


def smaller(name: str) -> list[str]:
    recipe = load_recipe(name)
    if not pretrained(recipe):
        # the networks on the waveform cost seconds a step; a third of its length is built alike
        return ["frontend.settings.samples=20000"] if recipe.frontend.name == "raw" else []
    start = next(s for s in SMALLER if recipe.model.name.startswith(s))
    return ["pretrained=false", f"model.settings.architecture={SMALLER[start]}"]


@pytest.mark.parametrize("name", recipe_names())
def test_loads_and_says_where_it_comes_from(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    text = (files("earwitness.recipes") / f"{name}.toml").read_text(encoding="utf-8")
    if name not in OWN:
        for word in ("source", "data", "settings", "expected", "cost"):
            assert re.search(rf"^# {word}: +\S", text, re.MULTILINE), f"{name}: no line '# {word}:'"
    if re.match(r"s[1-5]", name):
        assert "# author silent: " in text


@pytest.mark.parametrize("name", recipe_names())
def test_is_built_and_takes_a_step(name: str) -> None:
    recipe = load_recipe(name, smaller(name))
    torch.manual_seed(0)
    learner = Learner(recipe, Network(recipe), 1, accelerate.Accelerator(cpu=True))
    length = round(min(recipe.run.seconds) * 16_000)
    wave = 0.1 * torch.randn(4, length, generator=torch.Generator().manual_seed(0))
    target, group = torch.tensor([0.0, 0, 1, 1]), torch.zeros(4, dtype=torch.long)
    before = [p.detach().clone() for p in learner.trained]
    batch = Batch(wave, target, group, group, torch.zeros(4, dtype=torch.bool), torch.tensor([0.2, 0.4, 0.9, math.nan]))
    loss = learner.step(batch, 0, 0.0)
    assert math.isfinite(loss)
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.trained, strict=True))
    network = learner.network.eval()
    with torch.inference_mode():
        # what the detector hands over: a whole window, and the shortest one
        for seconds in (recipe.window.seconds, recipe.window.min_seconds):
            assert network.score(wave[:1, : round(seconds * 16_000)]).shape == (1,)


@pytest.mark.parametrize("name", recipe_names())
def test_augmentation_is_known_and_search_names_settings(name: str) -> None:
    recipe = load_recipe(name)
    Augmenter(recipe.augment)
    assert set(recipe.augment.some) <= set(AUGMENTS)
    for key, space in recipe.search.items():
        value = space.choices[0] if space.choices else space.low
        changed = load_recipe(name, [f"{key}={value}", *smaller(name)])
        if key.startswith("model."):
            Network(changed)
        assert space.choices or space.low < space.high


@pytest.mark.parametrize("name", [n for n in recipe_names() if pretrained(load_recipe(n))])
def test_weights_that_cannot_be_had_are_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be had.*--no-pretrained"):
        Network(load_recipe(name, ["model.settings.pretrained='/no/such/folder'"]))


STATED = {
    "s1-resnet101": {"model.name": "resnet101"},
    "s1-efficientnet-b4": {"model.name": "efficientnet_b4"},
    "s2c-resnet18": {"model.name": "resnet18", "model.settings.norm": True},
    "s3-efficientnet-frozen": {
        "model.name": "efficientnet_b0",
        "model.settings.frozen": True,
        "model.settings.hidden": 128,
        "model.settings.dropout": 0.5,
        "frontend.settings.height": 128,
        "frontend.settings.width": 128,
        "optimizer.name": "adam",
        "optimizer.lr": 1e-4,
        "run.epochs": 10.0,
        "run.batch": 16,
    },
    "s4-mfcc-cnn": {
        "frontend.settings.coefficients": 20,
        "frontend.settings.n_fft": 512,
        "frontend.settings.hop": 160,
        "frontend.settings.samples": 16_000,
        "optimizer.name": "adam",
        "optimizer.lr": 1e-3,
        "run.epochs": 5.0,
        "run.batch": 16,
        "loss.name": "ce",
        "window.seconds": 1.0,
    },
    "s5-mel-cnn": {"optimizer.name": "adam", "loss.name": "bce"},
}


@pytest.mark.parametrize("name", STATED)
def test_stated_numbers_stand_in_the_recipe(name: str) -> None:
    from dataclasses import asdict

    values = asdict(load_recipe(name))
    for key, wanted in STATED[name].items():
        found = values
        for part in key.split("."):
            found = found[part]
        assert found == wanted, key


def test_s3_is_frozen_and_its_head_is_as_drawn() -> None:
    network = Network(load_recipe("s3-efficientnet-frozen", smaller("s3-efficientnet-frozen")))
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all(".backbone." not in name for name in trained)
    kinds = [type(m).__name__ for m in network.model.head]
    assert kinds == ["Linear", "ReLU", "Dropout"]
    assert network.model.last.out_features == 1


def test_weights_of_ast_and_others_are_asked_for_by_name() -> None:
    with pytest.raises(ConfigError, match="--no-pretrained"):
        Network(load_recipe("ast", ["model.settings.pretrained=''"]))


def test_s4_is_20_by_101_and_its_layers_are_as_listed() -> None:
    network = Network(load_recipe("s4-mfcc-cnn")).eval()
    assert network.picture(torch.randn(1, 16_000)).shape == (1, 1, 20, 101)
    model = network.model
    assert (model.one.out_channels, model.one.kernel_size) == (16, (3, 3))
    assert (model.two.out_channels, model.two.kernel_size) == (32, (3, 3))
    assert model.dense.out_features == 128
    assert model.last.out_features == 2
    assert not [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    other = Network(load_recipe("s4-mfcc-cnn-dropout"))
    assert [m.p for m in other.modules() if isinstance(m, torch.nn.Dropout)] == [0.5]


def test_s5_has_its_three_augmentations_and_layers() -> None:
    recipe = load_recipe("s5-mel-cnn")
    assert set(recipe.augment.some) == {"pitch", "noise", "stretch"}
    kinds = {type(m).__name__ for m in Network(recipe).model.modules()}
    assert {"Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU", "Dropout", "Linear"} <= kinds


def test_overrides_do_not_reach_the_recipe_itself() -> None:
    recipe = load_recipe("default")
    assert load_recipe("default", ["run.steps=7"]) == replace(recipe, run=replace(recipe.run, steps=7))
    assert with_overrides({}, ["a.b=1"]) == {"a": {"b": 1}}
