"""The exported graph gives what the network gives, or is refused."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="export needs the extra [train]")
pytest.importorskip("onnxscript", reason="export needs the extra [train]")

import lab_files
from conftest import ROOT

from earwitness.errors import ExportError
from earwitness.export import check_parity, export_onnx
from earwitness.train.recipe import Network, load_recipe


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    torch.manual_seed(0)
    recipe = load_recipe(str(lab_files.recipe_file(tmp_path_factory.mktemp("recipe"))))
    return Network(recipe).eval()


def test_parity_over_batches_and_lengths(network: torch.nn.Module) -> None:
    data, worst = export_onnx(network)
    assert worst <= 1e-4
    assert str(ROOT).encode() not in data
    assert b".py" not in data
    # weights, and the windowed basis of the front end: 128 rows of 512 numbers
    assert len(data) < 4 * (sum(p.numel() for p in network.parameters()) + 128 * 512) + 200_000


def test_another_network_is_refused(network: torch.nn.Module) -> None:
    data, _ = export_onnx(network)
    with torch.no_grad():
        for parameter in network.model.last.parameters():
            parameter.add_(0.5)
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(network, data)


def test_a_steep_network_is_held_to_its_own_rounding(network: torch.nn.Module) -> None:
    """Where single precision moves a logit by more than the tolerance, no export could keep it; other weights show."""
    steep = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in steep.model.last.parameters():
            parameter.mul_(1e5)
    data, worst = export_onnx(steep)
    assert 1e-4 < worst < 10
    with torch.no_grad():
        for parameter in steep.model.last.parameters():
            parameter.mul_(1.01)
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(steep, data)
