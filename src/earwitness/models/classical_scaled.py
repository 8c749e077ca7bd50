"""Classical models that need all columns on one scale: logistic regression, a support vector machine, neighbours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from earwitness.models.classical import (
    INPUT,
    OPSETS,
    Features,
    Labels,
    Scores,
    assembled,
    flattened,
    library,
    log_odds,
    odds_nodes,
)

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on standardised columns.

    Parameters
    ----------
    strength:
        Inverse of the penalty on weights (scikit-learn's C).
    rounds:
        Most iterations of the solver.
    """

    strength: float = 0.01
    rounds: int = 500

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        kind = library("sklearn.linear_model").LogisticRegression
        return _pipeline(kind(C=self.strength, max_iter=self.rounds, random_state=seed)).fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """Log-odds."""
        return np.asarray(fitted.decision_function(features), dtype=np.float64)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By skl2onnx."""
        return _second_column(fitted, columns, raw=True)


@dataclass(frozen=True)
class SVM:
    """Support vector machine with a Gaussian kernel on standardised columns; the score is its signed distance.

    Parameters
    ----------
    strength:
        Cost of a clip on the wrong side (scikit-learn's C).
    width:
        The kernel's gamma times the number of columns.
    memory:
        Cache of kernel values in MB.
    """

    strength: float = 2.0
    width: float = 0.5
    memory: float = 1000.0

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        kind = library("sklearn.svm").SVC
        gamma = self.width / features.shape[1]
        model = kind(C=self.strength, gamma=gamma, cache_size=self.memory, random_state=seed)
        return _pipeline(model).fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """Signed distance in the kernel's space."""
        return np.asarray(fitted.decision_function(features), dtype=np.float64)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By skl2onnx."""
        return _second_column(fitted, columns, raw=True)


@dataclass(frozen=True)
class KNearest:
    """Nearest neighbours on standardised columns; the score is the log-odds of their labels.

    Parameters
    ----------
    neighbours:
        How many are asked.
    """

    neighbours: int = 15

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:  # noqa: ARG002
        """See :class:`~earwitness.models.classical.Classical`; nothing is drawn, so the seed is not used."""
        kind = library("sklearn.neighbors").KNeighborsClassifier
        return _pipeline(kind(self.neighbours, algorithm="brute", n_jobs=1)).fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """Log-odds, at most those of half a neighbour against all others."""
        return log_odds(fitted.predict_proba(features)[:, 1], 0.5 / self.neighbours)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By skl2onnx; the training clips stand in the graph."""
        return _second_column(fitted, columns, smallest=0.5 / self.neighbours)


def _pipeline(model: Any) -> Any:
    return library("sklearn.pipeline").make_pipeline(library("sklearn.preprocessing").StandardScaler(), model)


def _second_column(fitted: Any, columns: int, *, raw: bool = False, smallest: float | None = None) -> onnx.ModelProto:
    """What skl2onnx makes of the pipeline, without its label output, and of its scores that of class 1."""
    onnx_ = library("onnx")
    kind = library("skl2onnx.common.data_types").FloatTensorType
    options = {id(fitted.steps[-1][1]): {"zipmap": False} | ({"raw_scores": True} if raw else {})}
    with warnings.catch_warnings():
        # the converter reads attributes of scikit-learn that are on their way out
        warnings.simplefilter("ignore", FutureWarning)
        found = library("skl2onnx").convert_sklearn(
            fitted, initial_types=[(INPUT, kind([None, columns]))], target_opset=OPSETS, options=options
        )
    make = onnx_.helper.make_node
    constants = {"first": np.array([1]), "past": np.array([2]), "axis": np.array([1])}
    pick = make("Slice", [found.graph.output[1].name, "first", "past", "axis"], ["picked"])
    nodes, more = flattened("picked") if smallest is None else odds_nodes("picked", smallest)
    constants |= {i.name: onnx_.numpy_helper.to_array(i) for i in found.graph.initializer} | more
    return assembled([*found.graph.node, pick, *nodes], constants, columns)
