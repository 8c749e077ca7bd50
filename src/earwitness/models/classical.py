"""Classical models on the statistics vector: a table of their own, because they are fitted and not trained by steps.

Each entry of :data:`CLASSICAL` is a frozen dataclass of settings with three methods, see :class:`Classical`. The
libraries are those of the extra ``classical``; a fitted model lives in memory only, and its ONNX graph is what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import MissingExtraError

if TYPE_CHECKING:
    import onnx

CLASSICAL: dict[str, str] = {
    "catboost": "earwitness.models.classical_trees:CatBoost",
    "extra_trees": "earwitness.models.classical_trees:ExtraTrees",
    "hist_gradient_boosting": "earwitness.models.classical_trees:HistGradientBoosting",
    "k_nearest": "earwitness.models.classical_scaled:KNearest",
    "lightgbm": "earwitness.models.classical_trees:LightGBM",
    "logistic_regression": "earwitness.models.classical_scaled:Logistic",
    "random_forest": "earwitness.models.classical_trees:RandomForest",
    "svm": "earwitness.models.classical_scaled:SVM",
}

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Scores = NDArray[np.float64]

OPSETS = {"": 18, "ai.onnx.ml": 3}
INPUT, OUTPUT = "features", "logit"


class Classical(Protocol):
    """What a classical model can do; its fields are its settings."""

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """The library's fitted model of ``features`` (clips, columns) and ``spoof`` (clips,), 1 = spoof."""
        ...

    def score(self, fitted: Any, features: Features) -> Scores:
        """Scores (clips,) by the library itself; higher = spoof."""
        ...

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """The same as ONNX: ``features`` float32 (batch, columns) to ``logit`` float32 (batch,)."""
        ...


def library(name: str) -> Any:
    """An optional library, imported.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> library("numpy").__name__
    'numpy'
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError(
            f"classical models need {name.split('.')[0]}", hint="pip install 'earwitness[classical]'"
        ) from None


def log_odds(share: NDArray[Any], smallest: float) -> Scores:
    """Logarithm of the odds of ``share``, which is held ``smallest`` away from 0 and 1.

    Examples
    --------
    >>> log_odds(np.array([0.5, 1.0]), 0.1).round(3).tolist()
    [0.0, 2.197]
    """
    bounded = np.clip(np.asarray(share, dtype=np.float64), smallest, 1 - smallest)
    return np.log(bounded / (1 - bounded))


def assembled(nodes: list[Any], constants: dict[str, NDArray[Any]], columns: int) -> onnx.ModelProto:
    """A model from :data:`INPUT` to :data:`OUTPUT` of ``nodes`` and their ``constants``."""
    onnx_ = library("onnx")
    make, kind = onnx_.helper, onnx_.TensorProto.FLOAT
    graph = make.make_graph(
        nodes,
        "classical",
        [make.make_tensor_value_info(INPUT, kind, ["batch", columns])],
        [make.make_tensor_value_info(OUTPUT, kind, ["batch"])],
        [onnx_.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [make.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model: onnx.ModelProto = make.make_model(graph, opset_imports=opsets, ir_version=10)
    return model


def flattened(name: str, scale: float = 1.0) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Nodes that turn ``name`` (batch, 1) into the logit (batch,), multiplied by ``scale``."""
    make = library("onnx").helper.make_node
    constants: dict[str, NDArray[Any]] = {"flat": np.array([-1], dtype=np.int64)}
    constants["scale"] = np.array(scale, dtype=np.float32)
    return [make("Mul", [name, "scale"], ["scaled"]), make("Reshape", ["scaled", "flat"], [OUTPUT])], constants


def odds_nodes(name: str, smallest: float) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Nodes that turn the share ``name`` (batch, 1) into its logit (batch,), as :func:`log_odds` does."""
    make: Callable[..., Any] = library("onnx").helper.make_node
    constants: dict[str, NDArray[Any]] = {
        "flat": np.array([-1], dtype=np.int64),
        "least": np.array(smallest, dtype=np.float32),
        "most": np.array(1 - smallest, dtype=np.float32),
        "one": np.array(1.0, dtype=np.float32),
    }
    nodes = [
        make("Clip", [name, "least", "most"], ["bounded"]),
        make("Sub", ["one", "bounded"], ["other"]),
        make("Div", ["bounded", "other"], ["odds"]),
        make("Log", ["odds"], ["log_odds"]),
        make("Reshape", ["log_odds", "flat"], [OUTPUT]),
    ]
    return nodes, constants
