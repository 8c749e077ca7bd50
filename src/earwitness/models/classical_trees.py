"""Forests and boosted trees; every one of them is a single ``TreeEnsembleRegressor`` in ONNX."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
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

_NODES = (
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
)


@dataclass(frozen=True)
class HistGradientBoosting:
    """scikit-learn's gradient boosting on binned features; the best of the original comparison.

    Parameters
    ----------
    trees, leaves, least:
        Trees, most leaves of a tree, fewest clips in a leaf.
    learning_rate:
        Share of each tree that counts.
    l2:
        Penalty on leaf values.
    """

    trees: int = 300
    leaves: int = 31
    least: int = 20
    learning_rate: float = 0.08
    l2: float = 1.0

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        model = library("sklearn.ensemble").HistGradientBoostingClassifier(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.least,
            learning_rate=self.learning_rate,
            l2_regularization=self.l2,
            early_stopping=False,
            random_state=seed,
        )
        return model.fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """The log-odds that the trees add up to."""
        return np.asarray(fitted.decision_function(features), dtype=np.float64)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """Written node by node: skl2onnx 1.20 cannot read scikit-learn 1.9's trees."""
        attributes: dict[str, list[Any]] = {name: [] for name in _NODES}
        leaves: dict[str, list[Any]] = {"target_treeids": [], "target_nodeids": [], "target_weights": []}
        for number, (tree,) in enumerate(fitted._predictors):
            for place, node in enumerate(tree.nodes):
                leaf = bool(node["is_leaf"])
                attributes["nodes_treeids"].append(number)
                attributes["nodes_nodeids"].append(place)
                attributes["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
                attributes["nodes_featureids"].append(0 if leaf else int(node["feature_idx"]))
                attributes["nodes_values"].append(0.0 if leaf else _below(float(node["num_threshold"])))
                attributes["nodes_truenodeids"].append(0 if leaf else int(node["left"]))
                attributes["nodes_falsenodeids"].append(0 if leaf else int(node["right"]))
                attributes["nodes_missing_value_tracks_true"].append(int(node["missing_go_to_left"]))
                if leaf:
                    leaves["target_treeids"].append(number)
                    leaves["target_nodeids"].append(place)
                    leaves["target_weights"].append(float(node["value"]))
        base = float(np.ravel(fitted._baseline_prediction)[0])
        return _ensemble({**attributes, **leaves}, columns, base=base)


@dataclass(frozen=True)
class RandomForest:
    """scikit-learn's random forest; the score is the log-odds of the trees' mean probability.

    Parameters
    ----------
    trees, least:
        Trees, and fewest clips in a leaf.
    """

    trees: int = 300
    least: int = 3

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        kind = library("sklearn.ensemble").RandomForestClassifier
        return kind(self.trees, min_samples_leaf=self.least, random_state=seed, n_jobs=1).fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """Log-odds, at most those of one half tree against all others."""
        return log_odds(fitted.predict_proba(features)[:, 1], 0.5 / self.trees)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By skl2onnx."""
        return _ensemble(_margins(_converted(fitted, columns)), columns, smallest=0.5 / self.trees)


@dataclass(frozen=True)
class ExtraTrees(RandomForest):
    """scikit-learn's extremely randomised trees: thresholds are drawn, not searched. Settings as for the forest."""

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        kind = library("sklearn.ensemble").ExtraTreesClassifier
        return kind(self.trees, min_samples_leaf=self.least, random_state=seed, n_jobs=1).fit(features, spoof)


@dataclass(frozen=True)
class LightGBM:
    """LightGBM's gradient boosting.

    Parameters
    ----------
    trees, leaves, least:
        Trees, most leaves of a tree, fewest clips in a leaf.
    learning_rate:
        Share of each tree that counts.
    columns_share:
        Share of the columns that each tree may use.
    """

    trees: int = 300
    leaves: int = 31
    least: int = 20
    learning_rate: float = 0.08
    columns_share: float = 0.3

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        light = library("lightgbm")
        settings = {
            "objective": "binary",
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.least,
            "learning_rate": self.learning_rate,
            "feature_fraction": self.columns_share,
            "seed": seed,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        return light.train(settings, light.Dataset(features, spoof), num_boost_round=self.trees)

    def score(self, fitted: Any, features: Features) -> Scores:
        """The log-odds that the trees add up to."""
        return np.asarray(fitted.predict(features, raw_score=True, num_threads=1), dtype=np.float64)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By onnxmltools."""
        kind = library("onnxmltools.convert.common.data_types").FloatTensorType
        convert = library("onnxmltools").convert_lightgbm
        found = convert(fitted, initial_types=[(INPUT, kind([None, columns]))], zipmap=False, target_opset=15)
        return _ensemble(_margins(found), columns)


@dataclass(frozen=True)
class CatBoost:
    """CatBoost's gradient boosting on symmetric trees.

    Parameters
    ----------
    trees, depth:
        Trees and their depth.
    learning_rate:
        Share of each tree that counts.
    columns_share:
        Share of the columns that each level of a tree may use.
    """

    trees: int = 400
    depth: int = 6
    learning_rate: float = 0.08
    columns_share: float = 0.2

    def fit(self, features: Features, spoof: Labels, *, seed: int) -> Any:
        """See :class:`~earwitness.models.classical.Classical`."""
        model = library("catboost").CatBoostClassifier(
            iterations=self.trees,
            depth=self.depth,
            learning_rate=self.learning_rate,
            rsm=self.columns_share,
            random_seed=seed,
            thread_count=1,
            allow_writing_files=False,
            verbose=0,
        )
        return model.fit(features, spoof)

    def score(self, fitted: Any, features: Features) -> Scores:
        """The log-odds that the trees add up to."""
        return np.asarray(fitted.predict(features, prediction_type="RawFormulaVal", thread_count=1), dtype=np.float64)

    def graph(self, fitted: Any, columns: int) -> onnx.ModelProto:
        """By CatBoost itself."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            fitted.save_model(str(path), format="onnx")
            return _ensemble(_margins(library("onnx").load(str(path))), columns)


def _below(threshold: float) -> float:
    """The largest single-precision number not above ``threshold``: no single-precision feature changes sides."""
    single = np.float32(threshold)
    return float(single if single <= threshold else np.nextafter(single, np.float32(-np.inf)))


def _converted(fitted: Any, columns: int) -> onnx.ModelProto:
    convert = library("skl2onnx").convert_sklearn
    kind = library("skl2onnx.common.data_types").FloatTensorType
    options = {id(fitted): {"zipmap": False}}
    found: onnx.ModelProto = convert(
        fitted, initial_types=[(INPUT, kind([None, columns]))], target_opset=OPSETS, options=options
    )
    return found


def _margins(model: onnx.ModelProto) -> dict[str, Any]:
    """The trees of a converted classifier with what their leaves add to the score of class 1, before any sigmoid."""
    onnx_ = library("onnx")
    (node,) = (n for n in model.graph.node if n.op_type == "TreeEnsembleClassifier")
    found = {a.name: onnx_.helper.get_attribute_value(a) for a in node.attribute}
    attributes: dict[str, Any] = {k: list(found[k]) for k in _NODES if k in found}
    attributes["nodes_modes"] = [mode.decode() for mode in attributes["nodes_modes"]]
    ids = np.asarray(found["class_ids"])
    # of two classes some converters write both, others the second alone under the number 0
    mine = np.flatnonzero(ids == 1) if (ids == 1).any() else np.arange(ids.size)
    for theirs, ours in (("treeids", "treeids"), ("nodeids", "nodeids"), ("weights", "weights")):
        values = list(found[f"class_{theirs}"])
        attributes[f"target_{ours}"] = [values[i] for i in mine]
    base = found.get("base_values")
    attributes["base"] = float(base[-1]) if base else 0.0
    return attributes


def _ensemble(
    attributes: dict[str, Any], columns: int, *, base: float = 0.0, smallest: float | None = None
) -> onnx.ModelProto:
    """The trees as a model; ``smallest`` given, what they add up to is a share and becomes log-odds."""
    make = library("onnx").helper.make_node
    given = dict(attributes)
    base += given.pop("base", 0.0)
    node = make(
        "TreeEnsembleRegressor",
        [INPUT],
        ["sum"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        base_values=[base],
        target_ids=[0] * len(given["target_weights"]),
        **given,
    )
    nodes, constants = flattened("sum") if smallest is None else odds_nodes("sum", smallest)
    return assembled([node, *nodes], constants, columns)
