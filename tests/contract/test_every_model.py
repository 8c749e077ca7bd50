"""What every model must keep: gradients, able to learn, deterministic, batch = single, save and load, ONNX parity."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")

from earwitness.config import build
from earwitness.features import FRONTENDS
from earwitness.models import MODELS
from earwitness.models.base import Classifier
from earwitness.models.pretrained import without_weights
from earwitness.registry import find


@dataclass(frozen=True)
class Case:
    """A model's declared size, and a small form of it that is quick to train.

    ``parameters`` counts with default settings and (channels, bins) of ``shape``; (channels, bins, frames) are of the
    small form's input. ``frozen`` are the beginnings of parameter names that never change.
    """

    parameters: int
    shape: tuple[int, int]
    small: dict[str, Any] = field(default_factory=dict)
    input: tuple[int, int, int] = (1, 64, 64)
    frozen: tuple[str, ...] = ()
    rate: float = 2e-3


GRAPH = {"nodes": 12, "joint": 8}
RESNET = {
    "pretrained": "",
    "architecture": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
}
EFFICIENT = {
    "pretrained": "",
    "architecture": {
        "in_channels": [8, 8],
        "out_channels": [8, 16],
        "kernel_sizes": [3, 3],
        "strides": [1, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 2],
        "hidden_dim": 320,
        "width_coefficient": 0.25,
    },
}
SPEECH = {
    "pretrained": "",
    "architecture": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [16, 16],
        "conv_kernel": [10, 3],
        "conv_stride": [5, 4],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    },
    "width": 12,
}
WHISPER = {
    "pretrained": "",
    "architecture": {
        "d_model": 16,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "num_mel_bins": 20,
        "max_source_positions": 100,
    },
}
PATCHES = {
    "pretrained": "",
    "architecture": {
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
    "frames": 40,
}
MASK = ("backbone.network.masked_spec_embed",)
RAW = {"filters": 12, "kernel": 32, "widths": [8, 12], "graph": GRAPH, "preactivation": True}
CASES = {
    "aasist": Case(297_866, (1, 1), RAW, (1, 1, 2400), rate=5e-3),
    "aasist_l": Case(85_306, (1, 1), RAW, (1, 1, 2400), rate=5e-3),
    "ast": Case(85_617_410, (1, 128), PATCHES, (1, 32, 40), rate=5e-3),
    "crnn_gru": Case(310_661, (1, 80), {"widths": [8, 12, 16], "hidden": 8, "layers": 1}),
    "crnn_lstm": Case(384_901, (1, 80), {"widths": [8, 12, 16], "hidden": 8, "layers": 1}),
    "efficientnet_b0": Case(4_008_829, (1, 128), EFFICIENT, rate=1e-2),
    "efficientnet_b4": Case(17_550_409, (1, 128), EFFICIENT, rate=1e-2),
    "hubert": Case(94_373_263, (1, 1), SPEECH, (1, 1, 2400), MASK, 5e-3),
    "lcnn": Case(269_729, (1, 60), {"scale": 0.25, "dropout": 0.2}),
    "mel_cnn": Case(109_665, (1, 128), {"widths": [8, 16], "hidden": 16}, rate=5e-3),
    "mfcc_cnn": Case(2_053_186, (1, 20), {"widths": [4, 8], "hidden": 16}, (1, 20, 101)),
    "pooled_cnn": Case(93_249, (1, 80), {"widths": [8, 16], "dropout": 0.1}, rate=1e-2),
    "rawnet2": Case(
        17_621_410,
        (1, 1),
        {"filters": 12, "kernel": 32, "widths": [12, 16], "units": 16, "layers": 1, "hidden": 16},
        (1, 1, 2400),
    ),
    "res2net": Case(840_597, (1, 256), {"widths": [8, 16], "blocks": [1, 1], "embedding": 16, "hidden": 16}),
    "resnet101": Case(42_502_209, (1, 128), RESNET),
    "resnet18": Case(11_177_025, (1, 128), RESNET),
    "resnet50": Case(23_510_081, (1, 128), RESNET),
    "se_resnet": Case(987_909, (1, 256), {"widths": [8, 16], "blocks": [1, 1], "embedding": 16}),
    "speech_transformer": Case(4_382_593, (1, 80), {"width": 16, "heads": 2, "hidden": 32, "neck": 8}, (1, 20, 60)),
    "wav2vec2": Case(94_373_263, (1, 1), {**SPEECH, "head": "attentive"}, (1, 1, 2400), MASK, 5e-3),
    "wavlm": Case(94_383_487, (1, 1), SPEECH, (1, 1, 2400), MASK, 5e-3),
    "whisper": Case(
        20_591_625,
        (1, 80),
        WHISPER,
        (1, 20, 64),
        ("backbone.network.encoder.embed",),
        5e-3,
    ),
    "xlsr": Case(315_440_795, (1, 1), {**SPEECH, "head": "aasist", "graph": GRAPH}, (1, 1, 2400), MASK, 5e-3),
}


def made(name: str, seed: int = 0, **more: Any) -> Classifier:
    """The small form."""
    case, kind = CASES[name], find(MODELS, name)
    torch.manual_seed(seed)
    channels, bins, _ = case.input
    model: Classifier = kind(build(kind.Settings, {**case.small, **more}, where=name), channels=channels, bins=bins)
    return model


def pictures(name: str, batch: int, frames: int = 0, seed: int = 0) -> torch.Tensor:
    channels, bins, usual = CASES[name].input
    return torch.randn(batch, channels, bins, frames or usual, generator=torch.Generator().manual_seed(seed))


def test_every_model_has_a_case() -> None:
    assert sorted(CASES) == sorted(MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_declared_parameter_count(name: str) -> None:
    case, kind = CASES[name], find(MODELS, name)
    with without_weights(), torch.device("meta"):
        model = kind(kind.Settings(), channels=case.shape[0], bins=case.shape[1])
    assert sum(p.numel() for p in model.parameters()) == case.parameters


@pytest.mark.parametrize("name", sorted(MODELS))
def test_outputs_score_and_embedding(name: str) -> None:
    model = made(name).eval()
    x = pictures(name, 3)
    with torch.inference_mode():
        out, embedded = model(x), model.embedding(x)
        torch.testing.assert_close(model.last(embedded), out)
    assert out.shape in {(3, 1), (3, 2)}
    assert model.score(out).shape == (3,)
    assert embedded.shape == (3, model.width)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = made(name).train()
    out = model(pictures(name, 4))
    (model.score(out) * torch.tensor([1.0, -1.0, 2.0, -0.5])).sum().backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    frozen = {n for n, _ in model.named_parameters()} - set(trained)
    assert {n for n in frozen if not n.startswith(CASES[name].frozen or ("",))} == set()
    assert bool(frozen) == bool(CASES[name].frozen)
    without = [n for n, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0]
    # a bias before a batch norm, or one that softmax cancels, has a gradient of zero by construction
    assert [n for n in without if "bias" not in n] == []


@pytest.mark.parametrize("name", sorted(MODELS))
def test_learns_sixteen_clips(name: str) -> None:
    model = made(name).train()
    x, y = pictures(name, 16), torch.arange(16) % 2.0
    # stripes along the bins of a picture; in a waveform a tone, there or not, because its sign cannot be heard
    along, sign = (3, y) if x.shape[2] == 1 else (2, 2 * y - 1)
    stripes = torch.sin(torch.arange(x.shape[along]) / 2.0)
    x = x + (stripes[:, None] if along == 2 else 2 * stripes) * sign[:, None, None, None]
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=CASES[name].rate)
    for _ in range(8):
        for _ in range(10):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model.score(model(x)), y)
            loss.backward()
            optimizer.step()
        # without dropout, with the running means of batch norm
        with torch.inference_mode():
            learned = torch.nn.functional.binary_cross_entropy_with_logits(model.eval().score(model(x)), y)
        if learned < 0.2:
            return
        model.train()
    pytest.fail(f"the loss is still {float(learned):.2f}")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_deterministic_and_batch_equals_single(name: str) -> None:
    first, second = made(name, 7).eval(), made(name, 7).eval()
    frames = CASES[name].input[2]
    for length in (frames - 13, frames + frames // 2):
        x = pictures(name, 3, length)
        with torch.inference_mode():
            together = first.score(first(x))
            torch.testing.assert_close(second.score(second(x)), together, rtol=0, atol=0)
            apart = torch.cat([first.score(first(x[i : i + 1])) for i in range(3)])
        torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_saved_weights_give_the_same_scores(name: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    first, second = made(name, 1).eval(), made(name, 2).eval()
    x = pictures(name, 2)
    with torch.inference_mode():
        expected = first(x)
        assert not torch.equal(second(x), expected)
        save_file({k: v.contiguous() for k, v in first.state_dict().items()}, tmp_path / "weights.safetensors")
        second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        torch.testing.assert_close(second(x), expected, rtol=0, atol=0)


#: exported in every run; the others when slow tests are asked for, because each takes up to a minute
QUICK = {"crnn_gru", "lcnn", "mfcc_cnn", "pooled_cnn"}


class Whole(torch.nn.Module):
    """A front end and the small form of a model."""

    def __init__(self, name: str) -> None:
        super().__init__()
        _, bins, frames = CASES[name].input
        usual = find(MODELS, name).facts.frontend
        frontend, settings = {
            "raw": ("raw", {"samples": 4000}),
            "mel_image": ("mel_image", {"height": bins, "width": frames}),
            "whisper_mel": ("whisper_mel", {"mels": bins}),
            "ast_fbank": ("ast_fbank", {"mels": bins}),
        }.get(usual, ("log_mel", {"mels": bins, "hop": 400}))
        kind = find(FRONTENDS, frontend)
        self.frontend = kind(build(kind.Settings, settings, where=frontend))
        self.model = made(name)

    def score(self, waveform: torch.Tensor) -> torch.Tensor:
        return self.model.score(self.model(self.frontend(waveform)))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in sorted(MODELS)]
)
def test_the_exported_graph_gives_the_same_scores(name: str) -> None:
    """Over batches and lengths, to 1e-4, or export itself refuses; and the file is a sound ONNX graph."""
    onnx = pytest.importorskip("onnx", reason="export needs the extra [train]")
    pytest.importorskip("onnxscript", reason="export needs the extra [train]")
    from earwitness.export import export_onnx

    data, worst = export_onnx(Whole(name).eval())
    assert worst <= 1e-4
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)


def test_the_page_on_models_lists_each_with_its_size(root: Path) -> None:
    page = (root / "docs" / "models" / "index.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    stated = {row[0].strip("`"): (row[2], row[3].strip("`")) for row in rows}
    assert stated == {name: (f"{CASES[name].parameters:,}", find(MODELS, name).facts.frontend) for name in MODELS}
