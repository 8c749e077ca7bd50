"""Weights from elsewhere, on tiny networks of the same classes that are saved to a folder first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")
transformers = pytest.importorskip("transformers", reason="backbones come from transformers")

from earwitness.errors import ConfigError
from earwitness.models import MODELS
from earwitness.models.base import Classifier
from earwitness.models.image import ResNet18
from earwitness.models.pretrained import model_settings, without_weights
from earwitness.registry import find

SPEECH = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 4),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
IMAGE = (1, 32, 32)
TINY: dict[str, tuple[str, dict[str, Any], tuple[int, int, int], dict[str, Any]]] = {
    "resnet18": ("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}, IMAGE, {}),
    "efficientnet_b0": (
        "EfficientNet",
        {
            "in_channels": [8, 8],
            "out_channels": [8, 16],
            "kernel_sizes": [3, 3],
            "strides": [1, 2],
            "num_block_repeats": [1, 1],
            "expand_ratios": [1, 2],
            "hidden_dim": 320,
            "width_coefficient": 0.25,
        },
        IMAGE,
        {},
    ),
    "wav2vec2": ("Wav2Vec2", SPEECH, (1, 1, 1600), {}),
    "xlsr": ("Wav2Vec2", {**SPEECH, "do_stable_layer_norm": True, "feat_extract_norm": "layer"}, (1, 1, 1600), {}),
    "hubert": ("Hubert", SPEECH, (1, 1, 1600), {}),
    "wavlm": ("WavLM", SPEECH, (1, 1, 1600), {}),
    "whisper": (
        "Whisper",
        {
            "d_model": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_layers": 1,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 32,
            "num_mel_bins": 20,
            "max_source_positions": 100,
            "vocab_size": 50,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
            "suppress_tokens": [],
            "begin_suppress_tokens": [],
        },
        (1, 20, 64),
        {},
    ),
    "ast": (
        "AST",
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "num_mel_bins": 32,
            "patch_size": 8,
            "frequency_stride": 8,
            "time_stride": 8,
            "max_length": 64,
        },
        (1, 32, 40),
        {"frames": 64},
    ),
}


def saved(name: str, folder: Path) -> tuple[Path, torch.nn.Module]:
    """A tiny network of the class that ``name`` takes, in a folder, with weights that are not those of a fresh one."""
    kind, settings, _, _ = TINY[name]
    torch.manual_seed(99)
    network = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**settings))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return folder, network


def built(name: str, folder: Path, **more: Any) -> Classifier:
    _, _, (channels, bins, _), usual = TINY[name]
    model = find(MODELS, name)
    settings = model_settings(model, {"pretrained": str(folder), **usual, **more}, no_pretrained=False)
    made: Classifier = model(settings, channels=channels, bins=bins)
    return made


def inner(model: Classifier) -> dict[str, torch.Tensor]:
    """The backbone's weights under the names that it was saved with."""
    state = model.backbone.network.state_dict()
    return {
        name.removeprefix("encoder.") if "whisper" in type(model).__name__.lower() else name: v
        for name, v in state.items()
    }


@pytest.mark.parametrize("name", sorted(TINY))
def test_weights_come_from_the_folder(name: str, tmp_path: Path) -> None:
    folder, network = saved(name, tmp_path / "tiny")
    source = network.encoder if name == "whisper" else network
    torch.manual_seed(1)
    model = built(name, folder)
    expected = {k: v for k, v in source.state_dict().items() if "num_batches" not in k and "masked_spec" not in k}
    found = inner(model)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, msg=lambda text, key=key: f"{key}: {text}")
    x = torch.randn(2, *TINY[name][2])
    model.eval()
    with torch.inference_mode():
        scores = model.score(model(x))
    assert torch.isfinite(scores).all()
    with without_weights():
        bare = built(name, folder).eval()
    bare.load_state_dict(model.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(bare.score(bare(x)), scores, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["efficientnet_b0", "wavlm", "whisper", "ast"])
def test_a_frozen_network_stays_as_it_is(name: str, tmp_path: Path) -> None:
    folder, _ = saved(name, tmp_path / "tiny")
    model = built(name, folder, frozen=True).train()
    before = {k: v.clone() for k, v in model.backbone.network.state_dict().items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    assert trained
    optimizer = torch.optim.SGD(trained, lr=0.1)
    model(torch.randn(4, *TINY[name][2])).square().sum().backward()
    optimizer.step()
    for key, value in model.backbone.network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_frozen_steps_then_trained(tmp_path: Path) -> None:
    folder, _ = saved("wav2vec2", tmp_path / "tiny")
    model = built("wav2vec2", folder, frozen_steps=2, frozen_layers=1).train()
    x = torch.randn(2, 1, 1, 1600)
    upper = model.backbone.network.encoder.layers[1].attention.q_proj.weight
    for step in range(4):
        model.zero_grad(set_to_none=True)
        model(x).square().sum().backward()
        assert (upper.grad is not None) == (step >= 2)
        assert model.last.weight.grad is not None
        lower = model.backbone.network.encoder.layers[0].parameters()
        assert all(p.grad is None for p in lower)
    assert int(model.backbone.done) == 4


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_lower_convolutions_stay_as_they_came(name: str, tmp_path: Path) -> None:
    """Unless they came from nowhere: random ones have to learn."""
    folder, _ = saved(name, tmp_path / "tiny")

    def still(**settings: Any) -> list[str]:
        model = built(name, folder, **settings)
        return [n for n, p in model.named_parameters() if "conv" in n and not p.requires_grad]

    assert still()
    assert still(frozen_convolutions=False) == []


def test_frozen_random_features_measure_their_norms() -> None:
    """Batch norms of random weights have no statistics of their own; without any the features would be nothing."""
    settings = ResNet18.Settings(
        pretrained="",
        architecture={"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        frozen=True,
    )
    model = ResNet18(settings, channels=1, bins=32).train()
    norm = next(m for m in model.backbone.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    before, weights = norm.running_mean.clone(), norm.weight.clone()
    model(torch.rand(4, 1, 32, 32))
    assert not torch.equal(norm.running_mean, before)
    assert torch.equal(norm.weight, weights)


def test_middle_positions_of_ast_are_kept(tmp_path: Path) -> None:
    folder, network = saved("ast", tmp_path / "tiny")
    model = built("ast", folder, frames=40)
    grid = network.embeddings.position_embeddings[:, 2:].reshape(4, 8, 16)
    kept = model.backbone.network.embeddings.position_embeddings[:, 2:].reshape(4, 5, 16)
    torch.testing.assert_close(kept, grid[:, 2:7])
    with pytest.raises(ConfigError, match=r"model\.frames"):
        built("ast", folder, frames=72)


class TestRefusals:
    """What cannot be had is said, and nothing is trained from random weights in silence."""

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such folder") as caught:
            built("resnet18", tmp_path / "nothing")
        assert "--no-pretrained" in str(caught.value)

    def test_hub_out_of_reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(ConfigError, match="'earwitness/none' cannot be had") as caught:
            built("wavlm", Path("earwitness/none"))
        assert "--no-pretrained" in str(caught.value)

    def test_folder_without_weights(self, tmp_path: Path) -> None:
        folder, _ = saved("resnet18", tmp_path / "tiny")
        (folder / "model.safetensors").unlink()
        with pytest.raises(ConfigError, match="cannot be had"):
            built("resnet18", folder)

    def test_some_weights_missing(self, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        folder, _ = saved("hubert", tmp_path / "tiny")
        weights = load_file(folder / "model.safetensors")
        removed = next(name for name in weights if "q_proj.weight" in name)
        del weights[removed]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(ConfigError, match="1 weights are not there"):
            built("hubert", folder)

    def test_weights_of_another_shape(self, tmp_path: Path) -> None:
        folder, _ = saved("hubert", tmp_path / "tiny")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
        with pytest.raises(ConfigError, match=r"cannot be had|not there"):
            built("hubert", folder)

    def test_another_kind_of_network(self, tmp_path: Path) -> None:
        folder, _ = saved("resnet18", tmp_path / "tiny")
        with pytest.raises(ConfigError, match="is ResNet"):
            built("wav2vec2", folder)

    def test_random_weights_only_when_asked_for(self) -> None:
        with pytest.raises(ConfigError, match="pretrained is empty"):
            model_settings(ResNet18, {"pretrained": ""}, no_pretrained=False)
        assert model_settings(ResNet18, {"pretrained": "a/b"}, no_pretrained=True).pretrained == ""

    def test_architecture_is_for_random_weights(self, tmp_path: Path) -> None:
        folder, _ = saved("resnet18", tmp_path / "tiny")
        with pytest.raises(ConfigError, match="random weights only"):
            built("resnet18", folder, architecture={"depths": [1, 2]})
