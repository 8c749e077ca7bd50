"""Images: the front end's pixels in files, resumable; and the PNG files themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted import corpus

from earwitness.data.images import TABLE, image_of, safe_name, write_images
from earwitness.data.manifest import Manifest, Row, read_manifest
from earwitness.data.png import read_png, write_png
from earwitness.errors import ManifestError

torch = pytest.importorskip("torch")


def test_pixels_equal_the_front_end(tmp_path: Path) -> None:
    from earwitness.audio import open_audio
    from earwitness.features.mel_image import MelImage, MelImageSettings

    settings = MelImageSettings(mels=64, height=48, width=96)
    manifest = corpus(tmp_path / "c", 6)
    made = write_images(manifest, tmp_path / "images", settings)
    front_end = MelImage(settings).eval()
    for row, image in zip(manifest, made, strict=True):
        with open_audio(manifest.file(row)) as stream:
            samples = np.concatenate(list(stream))
        with torch.no_grad():
            expected = front_end(torch.from_numpy(samples)[None])[0, 0].numpy()
        pixels = read_png(made.file(image))
        assert pixels.shape == (48, 96)
        assert np.abs(pixels - expected).max() <= 1 / 255
        assert pixels.std() > 0.05
        assert image.path == f"{row.split}/{row.label}/{row.id}.png"
        assert image.extra["audio"] == str(manifest.file(row).absolute())
    read = read_manifest(tmp_path / "images" / TABLE)
    assert [(r.id, r.label, r.split) for r in read] == [(r.id, r.label, r.split) for r in manifest]
    assert not read.missing()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    from earwitness.features.mel_image import MelImageSettings

    manifest = corpus(tmp_path / "c", 4)
    made = write_images(manifest, tmp_path / "i")
    first, last = made.file(made[0]), made.file(made[3])
    stamp, content = first.stat().st_mtime_ns, last.read_bytes()
    last.unlink()
    seen: list[tuple[int, int]] = []
    write_images(manifest, tmp_path / "i", progress=lambda done, total: seen.append((done, total)))
    assert first.stat().st_mtime_ns == stamp
    assert last.read_bytes() == content
    assert seen[-1] == (4, 4)
    with pytest.raises(ManifestError, match="other settings"):
        write_images(manifest, tmp_path / "i", MelImageSettings(mels=40))


def test_an_unreadable_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"nothing")
    manifest = Manifest([Row("x.wav", "spoof")], root=tmp_path, where="m.csv", lines=[7])
    with pytest.raises(ManifestError, match=r"m\.csv:7: "):
        write_images(manifest, tmp_path / "i")


def test_short_clips_are_repeated(tmp_path: Path) -> None:
    from audio_files import voice, wav_bytes

    from earwitness.features.mel_image import MelImage, MelImageSettings

    (tmp_path / "s.wav").write_bytes(wav_bytes(voice(0.2)))
    image = image_of(tmp_path / "s.wav", MelImage(MelImageSettings()))
    assert image.shape == (128, 128)
    assert image.max() <= 1


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_png_round_trip(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("png") / "x.png"
    write_png(file, pixels / 255)
    assert np.array_equal(np.round(read_png(file) * 255).astype(np.uint8), pixels)


def test_png_is_read_by_others_and_damage_is_seen(tmp_path: Path) -> None:
    image = np.linspace(0, 1, 12).reshape(3, 4)
    write_png(tmp_path / "x.png", image)
    pillow = pytest.importorskip("PIL.Image")
    with pillow.open(tmp_path / "x.png") as opened:
        assert opened.mode == "L"
        assert np.array_equal(np.asarray(opened), np.round(image * 255))
        opened.convert("RGB").save(tmp_path / "rgb.png")
    data = (tmp_path / "x.png").read_bytes()
    for i in range(len(data)):
        (tmp_path / "y.png").write_bytes(data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :])
        with pytest.raises(ManifestError):
            read_png(tmp_path / "y.png")
        (tmp_path / "y.png").write_bytes(data[:i])
        with pytest.raises(ManifestError):
            read_png(tmp_path / "y.png")
    with pytest.raises(ManifestError, match="not 8-bit grey"):
        read_png(tmp_path / "rgb.png")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_png(tmp_path / "absent.png")


def test_file_names() -> None:
    names = ["a", "a/b", "a_b", "../x", "ä b", "a" * 300, "CON.1", ""]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name) < 100 for name in safe)
