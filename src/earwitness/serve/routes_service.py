"""What the service says about itself: detectors, whether it lives, whether it is ready, figures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

import earwitness
from earwitness.serve import schema
from earwitness.serve.access import Caller
from earwitness.serve.dependencies import require, state_of
from earwitness.serve.problems import Problem

router = APIRouter(tags=["service"])


@router.get(
    "/v1/detectors",
    summary="List detectors",
    responses={
        **schema.answers(200, "Detectors", "What recordings are scanned with."),
        **schema.refused(401, 403, 429),
    },
)
async def detectors(request: Request, _: Annotated[Caller, Depends(require())]) -> Response:
    """The detector of the service, as it is and with each profile."""
    return JSONResponse({"items": [_facts(name, d.info) for name, d in state_of(request).detectors.items()]})


@router.get("/health", summary="Is it alive?", responses={**schema.answers(200, "Status", "Yes."), **schema.refused()})
async def health() -> Response:
    """Whether the service answers at all. Needs no key."""
    return JSONResponse({"status": "ok", "version": earwitness.__version__})


@router.get(
    "/ready",
    summary="Can it scan?",
    responses={**schema.answers(200, "Status", "Yes."), **schema.refused(503)},
)
async def ready(request: Request) -> Response:
    """Whether a worker is alive and the records answer. Needs no key."""
    state = state_of(request)
    alive = state.pool.alive
    if not alive:
        raise Problem(503, "no-worker", "no worker is alive", headers={"Retry-After": "5"})
    if not await state.probe.answers():
        raise Problem(503, "records", "the records cannot be reached", headers={"Retry-After": "5"})
    return JSONResponse({"status": "ok", "workers": alive})


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    responses={
        200: {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **schema.refused(401, 403, 429),
    },
)
async def metrics(request: Request, _: Annotated[Caller, Depends(require("read"))]) -> Response:
    """Requests, scans, workers, memory and processor time."""
    state = state_of(request)
    body, kind = state.metrics.text(state.pool, state.scans)
    return Response(body, headers={"Content-Type": kind})


def _facts(profile: str | None, info: Any) -> dict[str, Any]:
    return {
        **info.name,
        "profile": profile,
        "window": info.data["window"],
        "thresholds": {"human": info.thresholds.human, "synthetic": info.thresholds.synthetic},
        "train_systems": list(info.data.get("train_systems", [])),
    }
