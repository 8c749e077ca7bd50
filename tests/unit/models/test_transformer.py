"""The small transformer: blocks as Whisper's, places that hold for any length, statistics as numpy makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")

from earwitness.models.transformer import SpeechTransformer, SpeechTransformerSettings, places, statistics

SMALL = SpeechTransformerSettings(width=16, heads=2, hidden=32, layers=2, pooled=2, neck=8)
NAMES = {
    "first": "conv1",
    "second": "conv2",
    "before_attention": "self_attn_layer_norm",
    "before_layers": "final_layer_norm",
    "join": "self_attn.out_proj",
    "layers.0": "fc1",
    "layers.2": "fc2",
}


def whispers(ours: SpeechTransformer) -> torch.nn.Module:
    """Whisper's encoder by transformers, with the same weights."""
    transformers = pytest.importorskip("transformers", reason="the reference belongs to the extra [train]")
    s = ours.settings
    config = transformers.WhisperConfig(
        d_model=s.width,
        encoder_layers=s.layers,
        encoder_attention_heads=s.heads,
        encoder_ffn_dim=s.hidden,
        num_mel_bins=20,
        max_source_positions=50,
    )
    encoder = transformers.models.whisper.modeling_whisper.WhisperEncoder(config).eval()
    state = {}
    for name, value in ours.state_dict().items():
        part, _, end = name.rpartition(".")
        block = part.startswith("blocks.")
        head, own = (f"layers.{part.split('.')[1]}.", part.split(".", 2)[2]) if block else ("", part)
        if own == "project":
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                if (letter, end) != ("k", "bias"):
                    state[f"{head}self_attn.{letter}_proj.{end}"] = third
        elif own in NAMES:
            state[f"{head}{NAMES[own]}.{end}"] = value
    left = encoder.load_state_dict(state, strict=False)
    assert set(left.missing_keys) <= {"embed_positions.weight", "layer_norm.weight", "layer_norm.bias"}
    assert not left.unexpected_keys
    return encoder


def test_states_are_those_of_whispers_encoder() -> None:
    torch.manual_seed(0)
    ours = SpeechTransformer(SMALL, channels=1, bins=20).eval()
    with torch.no_grad():
        for block in ours.blocks:
            # Whisper has no bias for keys
            block.project.bias[SMALL.width : 2 * SMALL.width] = 0.0
    picture = torch.randn(2, 1, 20, 100)
    with torch.no_grad():
        theirs = whispers(ours)(picture[:, 0], output_hidden_states=True).hidden_states
        found = ours.states(picture)
    # theirs begin behind the places, and the last goes through one more normalisation
    torch.testing.assert_close(found[0] + places(found[0]), theirs[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[1], theirs[1], atol=1e-5, rtol=1e-5)


def test_places_do_not_depend_on_what_comes_after() -> None:
    torch.testing.assert_close(places(torch.zeros(1, 700, 8))[:, :40], places(torch.zeros(1, 40, 8)))


def test_statistics_are_mean_and_deviation() -> None:
    state = np.random.default_rng(0).standard_normal((3, 50, 4)).astype(np.float32)
    found = statistics([torch.from_numpy(state)]).numpy()
    np.testing.assert_allclose(found, np.concatenate([state.mean(1), state.std(1)], axis=1), atol=1e-5)


def test_frozen_blocks_keep_their_weights_and_the_rest_learns() -> None:
    torch.manual_seed(0)
    network = SpeechTransformer(replace(SMALL, frozen=True), channels=1, bins=20)
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.1)
    network(torch.randn(4, 1, 20, 60)).square().mean().backward()
    optimizer.step()
    moved = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith(("neck", "last")) for name in moved)
