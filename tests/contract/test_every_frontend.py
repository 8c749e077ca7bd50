"""What every front end must keep: declared shape, finite on silence, single = batch, the same inside ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="front ends belong to the lab half")

from earwitness.features import FRONTENDS
from earwitness.registry import find


def made(name: str) -> torch.nn.Module:
    kind = find(FRONTENDS, name)
    return kind(kind.Settings()).eval()


@pytest.mark.parametrize("name", sorted(FRONTENDS))
@pytest.mark.parametrize("samples", [8_000, 16_000, 63_999, 64_000, 64_001])
def test_declared_shape(name: str, samples: int) -> None:
    front_end = made(name)
    out = front_end(torch.randn(2, samples, generator=torch.Generator().manual_seed(0)))
    assert out.shape[:2] == (2, front_end.channels)
    assert out.shape[2] == front_end.settings.bins
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", sorted(FRONTENDS))
def test_finite_on_silence_and_loudness(name: str) -> None:
    front_end = made(name)
    for wave in (torch.zeros(1, 16_000), torch.full((1, 16_000), 1e4), torch.full((1, 16_000), 1e-7)):
        assert torch.isfinite(front_end(wave)).all()


@pytest.mark.parametrize("name", sorted(FRONTENDS))
def test_single_equals_batch(name: str) -> None:
    front_end = made(name)
    wave = torch.randn(3, 20_000, generator=torch.Generator().manual_seed(1))
    together = front_end(wave)
    for i in range(3):
        torch.testing.assert_close(front_end(wave[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-4)


def test_the_same_inside_onnx() -> None:
    """All in one graph, because most of an export's time is its start; silence too, for a dropped guard gives NaN."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript", reason="export needs the extra [train]")
    names = sorted(FRONTENDS)

    class Together(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = torch.nn.ModuleList(made(name) for name in names)

        def forward(self, waveform: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(front_end(waveform) for front_end in self.each)

    together = Together().eval()
    session = runtime.InferenceSession(graph_of(together, names), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(4)
    tone = torch.sin(torch.arange(16_000) * 0.07)[None] * 0.1
    noise = [torch.randn(batch, n, generator=generator) * 0.1 for batch, n in ((2, 8_000), (1, 63_999), (1, 64_001))]
    for wave in (torch.zeros(1, 16_000), tone, *noise):
        for name, ours, theirs in zip(
            names, together(wave), session.run(None, {"waveform": wave.numpy()}), strict=True
        ):
            scale = max(1.0, float(ours.abs().max()))
            np.testing.assert_allclose(theirs, ours.numpy(), atol=3e-4 * scale, err_msg=f"{name} {wave.shape}")


def graph_of(module: torch.nn.Module, names: list[str]) -> bytes:
    """The module as an ONNX file for any batch and length."""
    import io
    import warnings

    dynamic = {"waveform": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (torch.randn(2, 64_000),), dynamo=True, verbose=False, opset_version=18,
            input_names=["waveform"], output_names=names, dynamic_shapes=dynamic,
        )  # fmt: skip
    assert program is not None
    program.optimize()
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()


def unit_noise(seed: int) -> np.ndarray:
    """A second of white noise of unit power."""
    wave = np.random.default_rng(seed).standard_normal(16_000)
    return wave / np.sqrt(np.mean(wave**2))


def scipy_spectrum(wave: np.ndarray, s: Any) -> np.ndarray:
    """The complex spectrum (bins, frames) by ``scipy.signal.stft``, as the sum over a Hann window."""
    signal = pytest.importorskip("scipy.signal")
    window = signal.get_window("hann", s.n_fft)
    _, _, out = signal.stft(
        wave, window=window, nperseg=s.n_fft, noverlap=s.n_fft - s.hop, boundary=None, padded=False, scaling="spectrum"
    )
    return out * window.sum()


def test_log_spectrogram_against_scipy() -> None:
    front_end = made("log_spectrogram")
    s = front_end.settings
    wave = unit_noise(2)
    # a Hann window's squares sum to three eighths of its length
    power = np.abs(scipy_spectrum(wave, s)[: s.bins]) ** 2 / (0.375 * s.n_fft)
    expected = np.log(power + front_end.floor) / 4 + 1
    ours = front_end(torch.from_numpy(wave[None].astype(np.float32)))[0, 0].numpy()
    # single precision: near the floor, 70 dB under the rest, a thousandth of a natural log
    np.testing.assert_allclose(ours, expected, atol=1e-3)


def test_log_spectrogram_does_not_hear_the_level() -> None:
    front_end = made("log_spectrogram")
    wave = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(front_end(wave * 0.01), front_end(wave), rtol=0, atol=2e-3)


def test_phase_spectrogram_against_scipy() -> None:
    """The angles from ``scipy.signal.stft`` of the recording and of the recording a shift later."""
    front_end = made("phase_spectrogram")
    s = front_end.settings
    wave = unit_noise(5)
    ours = front_end(torch.from_numpy(wave[None].astype(np.float32)))[0].numpy()
    now, later = (scipy_spectrum(x, s)[:, : ours.shape[2]] for x in (wave, wave[s.shift :]))
    middle = np.exp(-2j * np.pi * np.arange(s.bins) * s.shift / s.n_fft)[:, None]
    least = 0.375 * s.n_fft * 10 ** (s.angle_floor_db / 10)

    def coherence(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return other * np.conj(one) / ((np.abs(one) ** 2 + np.abs(other) ** 2) / 2 + least)

    moved = coherence(now[: s.bins], later[: s.bins]) * middle
    delay = -coherence(now[: s.bins - 1], now[1 : s.bins])
    np.testing.assert_allclose(ours[1], 2 * moved.real - 1, atol=1e-3)
    np.testing.assert_allclose(ours[2], 2 * moved.imag, atol=1e-3)
    np.testing.assert_allclose(ours[3][:-1], delay.real, atol=1e-3)
    np.testing.assert_allclose(ours[4][:-1], delay.imag, atol=1e-3)
    assert (ours[3:, -1] == 0).all()


def test_phase_spectrogram_hears_a_pulse_and_a_tone() -> None:
    """A tone in the middle of a bin moves as the bin does; a pulse in the middle of a window has no delay."""
    front_end = made("phase_spectrogram")
    s = front_end.settings
    tone = torch.sin(torch.arange(16_000) * (2 * np.pi * 20 / s.n_fft))[None]
    torch.testing.assert_close(front_end(tone)[0, 1:3, 20, 10:60].mean(1), torch.tensor([1.0, 0.0]), atol=1e-2, rtol=0)
    pulse = torch.zeros(1, 16_000)
    pulse[0, 40 * s.hop + s.n_fft // 2] = 1.0
    torch.testing.assert_close(front_end(pulse)[0, 3:, 50, 40], torch.tensor([1.0, 0.0]), atol=1e-3, rtol=0)


def test_phase_spectrogram_has_a_gradient_in_silence() -> None:
    wave = torch.zeros(1, 16_000, requires_grad=True)
    made("phase_spectrogram")(wave).sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()
