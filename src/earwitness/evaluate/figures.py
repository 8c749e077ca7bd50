"""Figures as files and as SVG that follows the page's colours; matplotlib is imported when one is drawn.

A drawing asks its :class:`Palette` for colours by role. For a page the colours are stand-ins that are then replaced by
CSS variables, so that one drawing serves light, dark and print; for files they are those of a white page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT = {
    "page": "#ffffff",
    "ink": "#1a2028",
    "soft": "#56606d",
    "line": "#d7dce2",
    "human": "#0b6a6f",
    "spoof": "#a8321a",
    "c0": "#1f5fa8",
    "c1": "#b3541e",
    "c2": "#2b7a3f",
    "c3": "#8a3b8f",
    "c4": "#6f6313",
    "c5": "#4a4f57",
}
DARK = {
    "page": "#14181d",
    "ink": "#e7eaee",
    "soft": "#a2abb6",
    "line": "#343c46",
    "human": "#62c4c6",
    "spoof": "#f08a6d",
    "c0": "#7fb2ee",
    "c1": "#f0a267",
    "c2": "#7fce92",
    "c3": "#d79bdb",
    "c4": "#d3c263",
    "c5": "#b9c0c9",
}
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 3)), (0, (1, 1)))
"""Lines of several detectors differ by dash as well as by colour, for grey print and for eyes that mix colours up."""

_STAND_INS = {name: f"#01{index:02x}fe" for index, name in enumerate(LIGHT)}

Palette = Mapping[str, str]
Drawing = Callable[[Any, Palette], None]
"""Draws on a matplotlib ``Figure`` with the colours of a palette."""


def need_matplotlib() -> Any:
    """The module ``matplotlib``, or an error that names the extra: asked before long work that ends in plots."""
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("plots need matplotlib", hint="pip install 'earwitness[train]'") from None
    return matplotlib


def _figure(draw: Drawing, palette: Palette, size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure, palette)
    return figure


def _settings(palette: Palette) -> dict[str, Any]:
    return {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": palette["ink"],
        "axes.edgecolor": palette["soft"],
        "axes.labelcolor": palette["soft"],
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "xtick.color": palette["soft"],
        "ytick.color": palette["soft"],
        "grid.color": palette["line"],
        "grid.linewidth": 0.7,
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
    }


def inline_svg(draw: Drawing, name: str, title: str, *, size: tuple[float, float] = (4.6, 4.2)) -> str:
    """SVG for a page: colours are CSS variables (``var(--ink)``), text is text, ids start with ``name``.

    Parameters
    ----------
    draw:
        The drawing.
    name:
        Unique on the page; letters, digits and ``-``.
    title:
        Read by screen readers.
    size:
        Inches.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    matplotlib = need_matplotlib()
    out = io.StringIO()
    with matplotlib.rc_context({**_settings(_STAND_INS), "svg.hashsalt": name}):
        _figure(draw, _STAND_INS, size).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{title}">', svg, count=1
    )
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--font)", svg)
    for role, colour in _STAND_INS.items():
        svg = svg.replace(colour, f"var(--{role})")
    return svg


def save_figure(draw: Drawing, path: Path, *, size: tuple[float, float] = (4.6, 4.2)) -> None:
    """Write a drawing for a white page; ``.svg`` or ``.png`` (200 dots an inch).

    Raises
    ------
    ConfigError
        For another suffix.
    MissingExtraError
        Without matplotlib.
    """
    if path.suffix not in (".svg", ".png"):
        raise ConfigError(f"{path}: plots are written as .svg or .png")
    matplotlib = need_matplotlib()
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({**_settings(LIGHT), "savefig.facecolor": LIGHT["page"], "svg.hashsalt": path.stem}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        _figure(draw, LIGHT, size).savefig(path, dpi=200, metadata=metadata)


def line_style(index: int) -> dict[str, Any]:
    """Dash of the detector with this number."""
    return {"linestyle": DASHES[index % len(DASHES)]}


def colour(palette: Palette, index: int) -> str:
    """Colour of the detector with this number."""
    return palette[f"c{index % 6}"]


def tidy(axes: Axes, x: str, y: str, *, grid: bool = True) -> None:
    """Axis names, and a faint grid behind the data."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(grid)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, width=0.8)
