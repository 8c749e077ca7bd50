"""The exported graph gives what the network gives, or is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="export needs the extra [train]")
pytest.importorskip("onnxscript", reason="export needs the extra [train]")

import lab_files
import numpy as np
import onnx
import onnxruntime
from conftest import ROOT
from onnx import helper, numpy_helper

from earwitness.errors import ExportError
from earwitness.export import check_parity, export_onnx, half_onnx
from earwitness.export_size import halved, reckoned
from earwitness.features.frames import windowed_basis
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


def test_half_the_bytes_for_rounded_weights(network: torch.nn.Module) -> None:
    whole, exact = export_onnx(network)
    data, worst = half_onnx(network, whole)
    assert exact <= 1e-4
    assert exact < worst <= 0.02
    sizes = {part.name: part.data_type for part in onnx.load_from_string(data).graph.initializer}
    assert "network.frontend.basis" not in sizes
    assert sizes["network.frontend.basis.window"] == onnx.TensorProto.FLOAT
    halves = [name for name, kind in sizes.items() if kind == onnx.TensorProto.FLOAT16]
    weights = {part.name: int(np.prod(part.dims)) for part in onnx.load_from_string(whole).graph.initializer}
    saved = sum(2 * weights[name.removesuffix(".half")] for name in halves)
    assert saved > 10_000
    saved += 4 * weights["network.frontend.basis"]
    assert abs(len(whole) - len(data) - saved) < 200 * len(halves) + 12_000


def answers(constants: dict[str, np.ndarray], file: Callable[[bytes], bytes]) -> tuple[np.ndarray, bytes]:
    """What a graph that joins these constants gives after ``file`` was done to it, and the graph."""
    graph = helper.make_graph(
        [helper.make_node("Concat", list(constants), ["logit"], axis=0)],
        "constants",
        [],
        [helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    made = file(model.SerializeToString())
    return onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"]).run(None, {})[0], made


def test_what_is_halved() -> None:
    rng = np.random.default_rng(0)
    numbers = {"weight": rng.standard_normal(4000), "kept": rng.standard_normal(4000), "few": np.ones(4) / 3}
    numbers["large"] = np.full(4000, 1e6)
    numbers = {name: value.astype(np.float32) for name, value in numbers.items()}
    found, made = answers(numbers, partial(halved, keep=["kept"]))
    kinds = {part.name: part.data_type for part in onnx.load_from_string(made).graph.initializer}
    assert [name for name, kind in kinds.items() if kind == onnx.TensorProto.FLOAT16] == ["weight.half"]
    wanted = numbers | {"weight": numbers["weight"].astype(np.float16).astype(np.float32)}
    np.testing.assert_array_equal(found, np.concatenate(list(wanted.values())))


@pytest.mark.parametrize(
    ("n_fft", "samples", "bins"), [(512, 512, 256), (400, 400, 201), (256, 256, 64), (512, 400, 257)]
)
def test_a_basis_is_reckoned(n_fft: int, samples: int, bins: int) -> None:
    window = torch.hann_window(samples, dtype=torch.float64) + 0.01
    basis = windowed_basis(n_fft, window, bins).float().unsqueeze(1).numpy()
    found, made = answers({"basis": basis}, reckoned)
    assert len(made) < basis.nbytes / 8
    np.testing.assert_allclose(found, basis, rtol=0, atol=2.0**-21)


def test_what_is_no_basis_stays() -> None:
    rng = np.random.default_rng(0)
    basis = windowed_basis(256, torch.hann_window(256), 64).float().unsqueeze(1).numpy()
    nearly = basis.copy()
    nearly[40, 0, 100] += 1e-5
    for constant in (nearly, rng.standard_normal((8, 1, 64)).astype(np.float32), basis[:127]):
        found, made = answers({"constant": constant}, reckoned)
        np.testing.assert_array_equal(found, constant)
        assert len(made) > constant.nbytes


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
