"""The twin of an exported graph, and attacks: the noise is as small as stated and the graph itself falls for it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab half is not installed")

import lab_files
from audio_files import voice
from lab_files import write_wav
from tiny_detector import tiny_model, write_tiny

from earwitness.audio.windows import WindowPlan
from earwitness.config import build, with_overrides
from earwitness.data.manifest import Manifest, Row
from earwitness.detector import Detector
from earwitness.errors import ExportError
from earwitness.export import check_parity, export_onnx, half_onnx, stripped
from earwitness.models.recurrent import GRU, LSTM
from earwitness.train.attack import METHODS, Plan, adversarial, attack, measured_snr, of_windows, randomised
from earwitness.train.attack_summary import PLAIN, RANDOMISED, summary
from earwitness.train.recipe import Network, Recipe
from earwitness.train.twin import GraphTwin, graph_twin
from earwitness.train.twin_recurrent import recurrent


class Odd(torch.nn.Module):
    """Operations that networks are made of, in a graph that no recipe here has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv1d(1, 6, 65, stride=16, padding=32, groups=1)
        self.norm = torch.nn.LayerNorm(6)
        self.deep = torch.nn.Conv1d(6, 6, 5, padding=4, dilation=2, groups=3)
        self.last = torch.nn.Linear(12, 1)

    def score(self, waveform: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.gelu(self.conv(waveform[:, None]))
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x = torch.nn.functional.max_pool1d(torch.nn.functional.leaky_relu(self.deep(x)), 3, 2)
        x = torch.cat([x.amax(dim=2), (x**2).mean(dim=2).sqrt()], dim=1)
        return self.last(x)[:, 0].clamp(-5, 5)


def test_the_twin_gives_what_the_graph_gives() -> None:
    network = Odd().eval()
    data, _ = export_onnx(network)
    twin = graph_twin(data)
    assert check_parity(twin, data) < 1e-4
    wave = torch.from_numpy(voice(1.0, seed=1).astype(np.float32))[None].requires_grad_()
    (ours,) = torch.autograd.grad(twin.score(wave).sum(), wave)
    (theirs,) = torch.autograd.grad(network.score(wave).sum(), wave)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_twin_knows_the_small_transformer_with_halved_weights() -> None:
    changes = ["frontend.name=whisper_mel", "frontend.settings={}", "model.name=speech_transformer"]
    small = "model.settings={width = 16, heads = 2, hidden = 32, neck = 8}"
    torch.manual_seed(0)
    network = Network(build(Recipe, with_overrides(tomllib.loads(lab_files.RECIPE), [*changes, small]), where="test"))
    data, _ = half_onnx(network, export_onnx(network.eval())[0])
    assert check_parity(graph_twin(data), data) < 1e-4


class Recurrent(torch.nn.Module):
    """Two layers in both directions over frames of the waveform."""

    def __init__(self, cell: type) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv1d(1, 6, 400, stride=160)
        self.cell = cell(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.last = torch.nn.Linear(10, 1)

    def score(self, waveform: torch.Tensor) -> torch.Tensor:
        return self.last(self.cell(self.conv(waveform[:, None]).transpose(1, 2)).mean(dim=1))[:, 0]


@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_the_twin_knows_recurrent_networks(cell: type) -> None:
    network = Recurrent(cell).eval()
    data, _ = export_onnx(network)
    twin = graph_twin(data, tolerance=1e-5)
    wave = torch.from_numpy(voice(1.0, seed=1).astype(np.float32))[None].requires_grad_()
    (ours,) = torch.autograd.grad(twin.score(wave).sum(), wave)
    (theirs,) = torch.autograd.grad(network.score(wave).sum(), wave)
    assert float(theirs.abs().max()) > 0
    assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("odd", [{"linear_before_reset": 0}, {"direction": b"reverse"}, {"clip": 1.0}])
def test_a_cell_of_another_form_is_an_error(odd: dict[str, object]) -> None:
    inputs = torch.zeros(5, 2, 3), torch.zeros(1, 12, 3), torch.zeros(1, 12, 4)
    with pytest.raises(ExportError, match="a GRU of a form"):
        recurrent("GRU")({"hidden_size": 4, "linear_before_reset": 1, **odd}, *inputs)


def test_an_unknown_operation_is_an_error_with_a_way_out() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(tiny_model())
    model.graph.node[0].op_type = "NonMaxSuppression"
    with pytest.raises(ExportError, match="NonMaxSuppression") as caught:
        GraphTwin(model.SerializeToString())
    assert "run folder" in caught.value.hint


def test_a_graph_that_differs_is_no_twin() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(stripped(tiny_model()))
    twin = GraphTwin(model.SerializeToString())
    for part in model.graph.initializer:
        if part.name == "offset":
            part.float_data[0] += 0.5
    with pytest.raises(ExportError, match="differs"):
        check_parity(twin, model.SerializeToString(), tolerance=1e-3)


@pytest.fixture(scope="module")
def twin() -> GraphTwin:
    return graph_twin(tiny_model())


@pytest.mark.parametrize("spoof", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_noise_keeps_to_its_size_and_pushes_to_the_other_label(twin: GraphTwin, method: str, spoof: bool) -> None:
    samples = (0.3 * voice(1.5, seed=2)).astype(np.float32)
    score = of_windows(twin, WindowPlan(1.0, 0.5, 0.5))
    before = float(score(torch.from_numpy(samples)))
    changed = adversarial(score, samples, spoof=spoof, method=method, snr_db=30.0, seed=[1], steps=4)
    found = measured_snr(samples, changed)
    assert found == pytest.approx(30.0, abs=0.1) if method != "pgd" else found >= 29.9
    assert np.abs(changed).max() <= 1.0
    moved = float(score(torch.from_numpy(changed))) - before
    if method != "random":
        assert moved < -0.05 if spoof else moved > 0.05
    again = adversarial(score, samples, spoof=spoof, method=method, snr_db=30.0, seed=[1], steps=4)
    assert np.array_equal(again, changed)


def test_more_steps_move_it_further_and_noise_may_be_followed_on_average(twin: GraphTwin) -> None:
    samples = (0.3 * voice(1.0, seed=4)).astype(np.float32)
    score = of_windows(twin, WindowPlan(1.0, 0.5, 0.5))

    def moved(method: str, draws: int = 1) -> float:
        out = adversarial(score, samples, spoof=False, method=method, snr_db=35.0, seed=[1], steps=8, draws=draws)
        return float(score(torch.from_numpy(out)) - score(torch.from_numpy(samples)))

    assert moved("pgd", draws=2) > moved("random") + 0.05
    assert moved("fgsm") > moved("random")


def test_short_clips_are_repeated_as_in_a_scan(twin: GraphTwin) -> None:
    samples = voice(0.4, seed=3).astype(np.float32)
    plan = WindowPlan(2.0, 1.0, 1.0)
    from earwitness.audio.windows import tile

    whole = torch.from_numpy(tile(samples, plan.scored_length(len(samples))))[None]
    assert float(of_windows(twin, plan)(torch.from_numpy(samples))) == pytest.approx(float(twin.score(whole)), abs=1e-5)


def test_randomised_input_stays_close_and_is_drawn() -> None:
    samples = voice(1.0, seed=3).astype(np.float32)
    first, second = (randomised(samples, np.random.default_rng(seed)) for seed in (1, 2))
    assert len(first) == len(samples)
    assert not np.array_equal(first, second)
    assert 5 < measured_snr(samples, first) < 40


def test_the_shipped_graph_judges_what_the_twin_made(twin: GraphTwin, tmp_path: Path) -> None:
    rows = []
    for number, level in enumerate((0.02, 0.03, 0.02, 0.03)):
        rng = np.random.default_rng(number)
        spoof = number % 2 == 1
        sound = voice(2.0, seed=number) + (level if spoof else 0.0) * rng.standard_normal(32_000)
        write_wav(tmp_path / f"{number}.wav", 0.5 * sound)
        rows.append(Row(f"{number}.wav", "spoof" if spoof else "bonafide", id=f"c{number}"))
    detector = Detector(write_tiny(tmp_path / "tiny"))
    plan = Plan(methods=("random", "pgd"), snrs=(25.0,), steps=4, copies=2)
    trials = [t for several in attack(twin, detector, Manifest(rows, root=tmp_path), plan) for t in several]
    assert len(trials) == 8
    for trial in trials:
        moved = trial.after.llr - trial.before.llr
        if trial.method == "pgd":
            assert moved < 0 if trial.spoof else moved > 0
    lines = {(line.method, line.input): line for line in summary(trials)}
    assert set(lines) == {(m, i) for m in ("none", "random", "pgd") for i in (PLAIN, RANDOMISED)}
    assert lines["pgd", PLAIN].snr >= 24.9
    assert lines["pgd", PLAIN].clips == 4
    assert (
        0.0 <= lines["pgd", PLAIN].interval[0] <= lines["pgd", PLAIN].success <= lines["pgd", PLAIN].interval[1] <= 1.0
    )
