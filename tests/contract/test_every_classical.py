"""What every classical model must keep: it learns, repeats itself, and its ONNX graph scores as the library does."""

from __future__ import annotations

import numpy as np
import pytest

for package in ("sklearn", "lightgbm", "catboost", "skl2onnx", "onnxmltools"):
    pytest.importorskip(package, reason="classical models need the extra [classical]")
import onnx
import onnxruntime
from threadpoolctl import threadpool_limits

from earwitness import metrics
from earwitness.models.classical import CLASSICAL, Classical, library
from earwitness.registry import find

COLUMNS = 24
#: small, so that all of them are fitted in seconds
SMALL = {"trees": 25, "least": 3, "rounds": 200}


def made(name: str) -> Classical:
    kind = find(CLASSICAL, name, kind="classical model")
    model: Classical = kind(**{k: v for k, v in SMALL.items() if k in kind.__dataclass_fields__})
    return model


def data(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Columns of very different scale, of which two tell the label, one of them not in a straight line."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, COLUMNS))
    spoof = (features[:, 0] + features[:, 1] ** 2 + 0.3 * rng.standard_normal(count) > 0.8).astype(np.int64)
    return (features * np.logspace(-2, 3, COLUMNS) + np.linspace(-5, 50, COLUMNS)).astype(np.float32), spoof


@pytest.fixture(scope="module", params=sorted(CLASSICAL))
def fitted(request: pytest.FixtureRequest) -> tuple[Classical, object]:
    model = made(request.param)
    with threadpool_limits(1):
        return model, model.fit(*data(0), seed=1)


def test_learns_and_says_higher_for_spoof(fitted: tuple[Classical, object]) -> None:
    model, learned = fitted
    features, spoof = data(1)
    scores = model.score(learned, features)
    assert scores.shape == (300,)
    assert np.isfinite(scores).all()
    assert metrics.auc(scores, spoof == 1) > 0.7


def test_the_graph_scores_as_the_library_does(fitted: tuple[Classical, object]) -> None:
    model, learned = fitted
    graph = model.graph(learned, COLUMNS)
    onnx.checker.check_model(graph)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    seen, _ = data(0)
    new, _ = data(2)
    cases = [new, seen, np.zeros((1, COLUMNS), dtype=np.float32)]
    if type(model).__name__ != "KNearest":
        # far outside of what was seen; there all neighbours are equally far in single precision, and any may be asked
        cases.append(new * 100)
    for features in cases:
        ours = session.run(["logit"], {"features": features})[0]
        assert ours.shape == (len(features),)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, model.score(learned, features), atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_model(fitted: tuple[Classical, object]) -> None:
    model, learned = fitted
    with threadpool_limits(1):
        again = model.fit(*data(0), seed=1)
    features, _ = data(3)
    np.testing.assert_array_equal(model.score(again, features), model.score(learned, features))


def test_a_missing_library_names_the_extra() -> None:
    from earwitness.errors import MissingExtraError

    with pytest.raises(MissingExtraError, match="classical"):
        library("no_such_library_at_all")
