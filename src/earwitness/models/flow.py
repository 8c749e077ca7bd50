"""What flows where in a network: its layers as boxes, and an arrow for each result that another layer uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakTensorKeyDictionary

from earwitness.models.frozen import Frozen

#: operations outside of layers that are drawn, and how they are called
DRAWN = {
    "mean": "mean",
    "amax": "maximum over an axis",
    "maximum": "larger of two",
    "max_pool2d_with_indices": "max pool",
    "abs": "magnitude",
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "cat": "join",
    "stack": "stack",
    "bmm": "matrix product",
    "relu": "ReLU",
    "elu": "SELU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "_softmax": "softmax",
    "topk": "highest",
    "sqrt": "square root",
}

#: these hold layers and are none
_SEEN_THROUGH = (nn.Sequential, nn.ModuleList, Frozen)


@dataclass
class Box:
    """A layer or an operation.

    Attributes
    ----------
    kind, place:
        What it is, and the name that it has in the network; an operation has no name.
    detail:
        Sizes, such as ``1 → 32, 3×3``.
    shape:
        Of its result, without the batch.
    parameters:
        Numbers in it.
    sources:
        Indices of the boxes whose results it uses; -1 is the input.
    """

    kind: str
    place: str = ""
    detail: str = ""
    shape: tuple[int, ...] = ()
    parameters: int = 0
    sources: set[int] = field(default_factory=set)


def flow(model: nn.Module, picture: Tensor, *, depth: int = 1) -> list[Box]:
    """The boxes of ``model`` in the order in which they are computed.

    Parameters
    ----------
    model:
        In evaluation mode.
    picture:
        What it is called with, ``(1, channels, bins, frames)``; a picture on the device ``meta`` computes nothing.
    depth:
        How many levels of modules are opened; modules below are one box each.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [(box.kind, box.shape, sorted(box.sources)) for box in flow(network, torch.randn(1, 4))]
    [('Linear', (3,), [-1]), ('ReLU', (3,), [0]), ('Linear', (1,), [1])]
    """
    recorder = _Recorder()
    recorder.origin[picture] = {-1}
    handles = []
    for place, module in _layers(model, depth):
        handles.append(module.register_forward_pre_hook(recorder.enter, with_kwargs=True))
        handles.append(module.register_forward_hook(recorder.leaver(place), with_kwargs=True))
    try:
        with torch.no_grad(), recorder:
            model(picture)
    finally:
        for handle in handles:
            handle.remove()
    return recorder.boxes


def _layers(module: nn.Module, depth: int, place: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        where = f"{place}.{name}" if place else name
        through = isinstance(child, _SEEN_THROUGH)
        if list(child.children()) and (through or depth > 1):
            yield from _layers(child, depth if through else depth - 1, where)
        else:
            yield where, child


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every tensor back to the boxes that it was made of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.boxes: list[Box] = []
        self.origin: Any = WeakTensorKeyDictionary()
        self.inside = 0
        self.waiting: list[set[int]] = []

    def sources(self, *things: Any) -> set[int]:
        found: set[int] = set()
        for thing in tree_iter(things):
            if isinstance(thing, Tensor):
                found |= self.origin.get(thing, set())
        return found

    def enter(self, _: nn.Module, args: Any, kwargs: Any) -> None:
        if not self.inside:
            self.waiting.append(self.sources(args, kwargs))
        self.inside += 1

    def leaver(self, place: str) -> Any:
        def leave(module: nn.Module, _args: Any, _kwargs: Any, out: Any) -> None:
            self.inside -= 1
            if not self.inside:
                sources = self.waiting.pop()
                # a layer that only hands on in evaluation is no step of its own, but it is part of the drawing
                parameters = sum(p.numel() for p in module.parameters())
                self.add(Box(type(module).__name__, place, detail(module), (), parameters, sources), out)

        return leave

    def add(self, box: Box, out: Any) -> None:
        results = [thing for thing in tree_iter(out) if isinstance(thing, Tensor)]
        box.shape = tuple(results[0].shape[1:]) if results else ()
        self.boxes.append(box)
        for result in results:
            self.origin[result] = {len(self.boxes) - 1}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.inside:
            return out
        sources = self.sources(args, kwargs)
        name = func.overloadpacket.__name__.rstrip("_")
        if name in DRAWN and sources:
            self.add(Box(DRAWN[name], sources=sources), out)
        else:
            for thing in tree_iter(out):
                if isinstance(thing, Tensor):
                    self.origin[thing] = sources
        return out


def detail(module: nn.Module) -> str:
    """Sizes of a layer in a few signs.

    Examples
    --------
    >>> detail(nn.Conv2d(1, 32, 3)), detail(nn.Linear(128, 2)), detail(nn.Dropout(0.5))
    ('1 → 32, 3×3', '128 → 2', '0.5')
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        size = "×".join(map(str, module.kernel_size))
        step = "" if set(module.stride) == {1} else ", step " + "×".join(map(str, module.stride))
        return f"{module.in_channels} → {module.out_channels}, {size}{step}"
    if isinstance(module, nn.Linear):
        return f"{module.in_features} → {module.out_features}"
    if isinstance(module, nn.RNNBase):
        ways = ", both ways" if module.bidirectional else ""
        return f"{module.input_size} → {module.hidden_size}, {module.num_layers} layers{ways}"
    if isinstance(module, nn.MaxPool2d):
        sides = module.kernel_size
        return "×".join(map(str, sides if isinstance(sides, tuple) else (sides, sides)))
    if isinstance(module, nn.Dropout):
        return f"{module.p:g}"
    return ""
