"""Each number that the five student systems state of their networks, compared with the network that is built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")
pytest.importorskip("transformers", reason="the image networks come from transformers")

from torch import nn

from earwitness.features.mfcc import MFCC, MFCCSettings
from earwitness.models.base import Classifier
from earwitness.models.cnn import MFCCCNN, MelCNN, PooledCNN
from earwitness.models.image import EfficientNetB0, EfficientNetB4, ImageNetwork, ResNet18, ResNet101
from earwitness.models.pretrained import without_weights


def leaves(module: nn.Module) -> list[nn.Module]:
    """Layers without parts, in the order in which they stand."""
    return [m for m in module.modules() if not list(m.children())]


def kinds(module: nn.Module) -> list[str]:
    return [type(m).__name__ for m in leaves(module)]


@pytest.fixture
def image() -> Iterator[None]:
    """Networks without values: their shapes alone are looked at."""
    with without_weights(), torch.device("meta"):
        yield


def called(model: nn.Module, picture: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of what each layer gives."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in model.named_modules():
        layer.register_forward_hook(lambda _m, _i, out, name=name: shapes.__setitem__(name, tuple(out.shape)))
    model.eval()(picture)
    return shapes


class TestS4:
    """20 MFCC, window 512, hop 160, 101 frames of 16,000 samples; convolutions of 16 and 32 (3×3), dense 128, 2."""

    def test_features(self) -> None:
        s = MFCCSettings()
        front_end = MFCC(MFCCSettings())
        assert (s.coefficients, s.n_fft, s.hop) == (20, 512, 160)
        assert front_end(torch.randn(1, 16_000)).shape == (1, 1, 20, 101)

    def test_layers(self) -> None:
        model = MFCCCNN(MFCCCNN.Settings(), channels=1, bins=20)
        one, two = (m for m in leaves(model) if isinstance(m, nn.Conv2d))
        assert (one.out_channels, one.kernel_size) == (16, (3, 3))
        assert (two.in_channels, two.out_channels, two.kernel_size) == (16, 32, (3, 3))
        pools = [m for m in leaves(model) if isinstance(m, nn.MaxPool2d)]
        assert len(pools) == 1
        dense, last = (m for m in leaves(model) if isinstance(m, nn.Linear))
        assert (dense.out_features, last.in_features, last.out_features) == (128, 128, 2)
        assert all(m.p == 0 for m in leaves(model) if isinstance(m, nn.Dropout))
        shapes = called(model, torch.randn(1, 1, 20, 101))
        assert list(shapes) == ["one", "pool", "two", "dense", "drop", "last", ""]
        assert shapes["pool"] == (1, 16, 10, 50)
        assert model.embedding(torch.randn(8, 1, 20, 101)).min().item() == 0, "ReLU after the dense layer"

    def test_dropout_is_a_variant(self) -> None:
        model = MFCCCNN(MFCCCNN.Settings(dropout=0.3), channels=1, bins=20)
        assert model.drop.p == 0.3


class TestS3:
    """EfficientNet-B0 frozen, global average, dense 128 with ReLU, dropout .5, dense 1."""

    @pytest.fixture
    def model(self, image: None) -> ImageNetwork:  # noqa: ARG002
        return EfficientNetB0(EfficientNetB0.Settings(frozen=True, hidden=128, dropout=0.5), channels=1, bins=128)

    def test_head(self, model: ImageNetwork) -> None:
        assert kinds(model.head) == ["Linear", "ReLU", "Dropout"]
        dense, _, drop = leaves(model.head)
        assert (dense.in_features, dense.out_features, drop.p) == (1280, 128, 0.5)
        assert (model.last.in_features, model.last.out_features) == (128, 1)

    def test_only_the_head_is_trained(self, model: ImageNetwork) -> None:
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        assert trained == {"head.0.weight", "head.0.bias", "last.weight", "last.bias"}
        assert sum(p.numel() for p in model.backbone.parameters()) == 4_007_548

    def test_the_average_is_global(self, model: ImageNetwork) -> None:
        x = torch.randn(2, 1, 128, 128)
        assert model.backbone(model.mean + x).last_hidden_state.shape == (2, 1280, 4, 4)
        assert model(x).shape == (2, 1)


class TestS2:
    """b: a CNN on mel spectrograms with batch norm and dropout; c: ResNet-18, dense replaced, dropout, batch norm."""

    def test_cnn(self) -> None:
        model = MelCNN(MelCNN.Settings(), channels=1, bins=128)
        found = kinds(model)
        assert found.count("BatchNorm2d") == found.count("Conv2d") == found.count("MaxPool2d") == 3
        assert all(m.p > 0 for m in leaves(model) if isinstance(m, nn.Dropout))
        assert found.count("Dropout") == 4

    @pytest.mark.usefixtures("image")
    def test_resnet(self) -> None:
        model = ResNet18(ResNet18.Settings(norm=True, dropout=0.5), channels=1, bins=128)
        assert kinds(model.head) == ["BatchNorm1d", "Dropout"]
        assert (model.last.in_features, model.last.out_features) == (512, 1)
        assert sum(p.numel() for p in model.backbone.parameters()) == 11_176_512
        assert all(p.requires_grad for p in model.parameters())


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("model", "width", "parameters"), [(ResNet101, 2048, 42_500_160), (EfficientNetB4, 1792, 17_548_616)]
)
def test_s1(model: type[ImageNetwork], width: int, parameters: int) -> None:
    """ResNet-101 and EfficientNet-B4, all of their weights fine-tuned; sizes as published, less the 1,000 classes."""
    built = model(model.Settings(), channels=1, bins=128)
    assert sum(p.numel() for p in built.backbone.parameters()) == parameters
    assert built.last.in_features == width
    assert all(p.requires_grad for p in built.parameters())


def test_s5() -> None:
    """Convolution, maximum, batch norm, ReLU, dropout; global average; one dense output."""
    model: Classifier = PooledCNN(PooledCNN.Settings(), channels=1, bins=80)
    assert kinds(model.layers) == ["Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU", "Dropout"] * 3
    x = torch.randn(2, 1, 80, 101)
    model.eval()
    torch.testing.assert_close(model.embedding(x), model.layers(x).mean(dim=(2, 3)))
    assert (model.last.in_features, model.last.out_features) == (128, 1)
