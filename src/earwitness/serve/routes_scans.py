"""``/v1/scans``: send a recording, follow, look up, list, cancel, delete, and read the report."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from earwitness.errors import RecordError
from earwitness.serve import reports, schema
from earwitness.serve.access import Caller
from earwitness.serve.dependencies import require, state_of
from earwitness.serve.pool import token
from earwitness.serve.problems import Problem, invalid
from earwitness.serve.scans import DONE, Scan, problem_of
from earwitness.serve.uploads import drain, receive
from earwitness.serve.worker import Task

if TYPE_CHECKING:
    from earwitness.serve.records import ScanRecord
    from earwitness.serve.state import State

#: a comment is sent on a quiet stream of events after this many seconds, so that nobody takes it for dead
_HEARTBEAT = 15.0
EVENTS = "text/event-stream"
#: the report has its own policy inside as well; this one also holds where it is shown in a frame
_REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
Id = Annotated[str, Path(pattern=schema.HEX32, description="Of the scan.")]
May = Annotated[Caller, Depends(require("scan"))]
#: who may scan may look at its own scans; so may who may read
Sees = Annotated[Caller, Depends(require())]

router = APIRouter(prefix="/v1", tags=["scans"])


@router.post(
    "/scans",
    summary="Scan a recording",
    openapi_extra={"requestBody": schema.BODY},
    responses={
        **schema.answers(200, "Verdict", "The verdict.", ("Location",)),
        **schema.answers(202, "Scan", "Admitted; ask at Location.", ("Location",)),
        **schema.refused(401, 403, 408, 409, 413, 415, 429, 503, 504),
    },
)
async def create(request: Request, caller: May, query: Annotated[schema.Options, Query()]) -> Response:
    """Scan the recording in the body, a form with the field ``file`` or the recording itself.

    The answer is the verdict; or 202 at once with ``Prefer: respond-async``, and as soon as the recording turns out to
    be longer than a minute. With ``Accept: text/event-stream`` it is a stream of the events ``state``, ``progress``,
    ``windows`` and, at last, ``verdict`` or ``problem``.
    """
    state = state_of(request)
    try:
        scan = await _submit(state, request, caller, query)
    except Problem as error:
        if error.status != 408:
            await drain(request)
        raise
    place = {"Location": f"/v1/scans/{scan.id}"}
    if EVENTS in request.headers.get("accept", ""):
        return StreamingResponse(_events(scan), media_type=EVENTS, headers=place)
    if re.search(r"\brespond-async\b", request.headers.get("prefer", "")):
        return _json(_running(scan), 202, {**place, "Preference-Applied": "respond-async"})
    if not await state.scans.answer(scan):
        return _json(_running(scan), 202, place)
    if scan.problem is not None or scan.record is None:
        raise scan.problem or Problem(500, "internal", "a fault in the service")
    return _json(scan.record.verdict, 200, place)


async def _submit(state: State, request: Request, caller: Caller, query: schema.Options) -> Scan:
    """Receive the recording and queue its scan; a place is taken before the first byte is read."""
    state.scans.admit()
    try:
        _settings(state, query)
        upload = await receive(request, state.settings, state.folder, query.filename)
        try:
            options = _joined(query, upload.fields)
            settings = _settings(state, options)
        except BaseException:
            upload.path.unlink(missing_ok=True)
            raise
    except BaseException:
        state.scans.release()
        raise
    return state.scans.submit(caller.name, upload, settings, options.profile)


def _joined(query: schema.Options, fields: Mapping[str, str]) -> schema.Options:
    try:
        return schema.Options.model_validate({**query.model_dump(exclude_unset=True), **fields})
    except ValidationError as error:
        found = [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
        raise invalid(found) from None


def _settings(state: State, options: schema.Options) -> dict[str, float]:
    """What :meth:`~earwitness.detector.Detector.scan` is told, checked before the recording is opened."""
    if options.profile not in state.detectors:
        known = ", ".join(name for name in state.detectors if name) or "none"
        raise Problem(422, "no-profile", f"there is no profile {options.profile!r}", hint=f"profiles: {known}")
    settings = options.model_dump(include={"prior", "cost_miss", "cost_false_alarm"})
    state.detectors[options.profile].thresholds(**settings)
    return settings


@router.get(
    "/scans",
    summary="List scans",
    responses={
        **schema.answers(200, "ScanList", "Newest first.", ("Link",)),
        **schema.refused(401, 403, 404, 429, 503),
    },
)
async def listing(request: Request, caller: Sees, page: Annotated[schema.Page, Query()]) -> Response:
    """Scans, newest first: the caller's own, or all for ``admin``. Those still on their way lead the first page."""
    state = state_of(request)
    name = None if caller.is_admin else caller.name
    try:
        found = await asyncio.to_thread(state.records.list, page.limit + 1, page.before, page.sha256, name)
    except RecordError as error:
        raise _unavailable(error) from None
    items = [_recorded(record) for record in found[: page.limit]]
    following, headers = None, {}
    if len(found) > page.limit:
        asked = {"limit": page.limit, "before": found[page.limit - 1].id, "sha256": page.sha256}
        following = "/v1/scans?" + urlencode({k: v for k, v in asked.items() if v is not None})
        headers["Link"] = f'<{following}>; rel="next"'
    if page.before is None:
        running = [s for s in state.scans.running() if name in (None, s.caller) and page.sha256 in (None, s.sha256)]
        items = [_running(scan) for scan in running] + items
    return _json({"items": items, "next": following}, headers=headers)


@router.get(
    "/scans/{id}",
    summary="Look up a scan",
    responses={**schema.answers(200, "Scan", "The scan."), **schema.refused(401, 403, 404, 410, 429, 503)},
)
async def read(request: Request, caller: Sees, id: Id) -> Response:
    """Where a scan stands, and its verdict when it is done; with ``Accept: text/event-stream``, its events."""
    found = await _find(state_of(request), caller, id)
    if not isinstance(found, Scan):
        return _json(_recorded(found))
    if EVENTS in request.headers.get("accept", ""):
        return StreamingResponse(_events(found), media_type=EVENTS)
    return _json(_running(found))


@router.delete(
    "/scans/{id}",
    summary="Cancel or delete a scan",
    status_code=204,
    responses={204: {"description": "It is so."}, **schema.refused(401, 403, 404, 410, 429, 503)},
)
async def remove(request: Request, caller: May, id: Id) -> Response:
    """Cancel a scan that is queued or running; delete the record of one that is not (``admin``), leaving its mark."""
    state = state_of(request)
    found = await _find(state, caller, id)
    if isinstance(found, Scan):
        await state.scans.cancel(found)
        return Response(status_code=204)
    if not caller.is_admin:
        raise Problem(403, "forbidden", "the scan has ended; to delete its record takes the scope 'admin'")
    try:
        await asyncio.to_thread(state.records.delete, id, caller.name)
    except RecordError as error:
        raise _unavailable(error) from None
    kept = state.kept(id)
    if kept is not None:
        kept.unlink(missing_ok=True)
    return Response(status_code=204)


@router.get(
    "/scans/{id}/report",
    summary="Read the report on a scan",
    responses={
        200: {"description": "One HTML file.", "content": {"text/html": {"schema": {"type": "string"}}}},
        **schema.refused(401, 403, 404, 409, 410, 413, 429, 503, 504),
    },
)
async def report(request: Request, caller: Sees, id: Id) -> Response:
    """The report in HTML. It has a spectrogram only where the service keeps recordings."""
    state = state_of(request)
    found = await _find(state, caller, id)
    if isinstance(found, Scan):
        raise Problem(409, "not-done", "the scan has not ended yet", headers={"Retry-After": "5"})
    facts = found.verdict or {"path": found.filename, "error": dict(found.error or {})}
    kept = state.kept(id) if found.state == DONE else None
    if kept is None:
        text = await asyncio.to_thread(reports.report, facts, kept=False)
    else:
        text = await _drawn(state, str(kept), found)
    name = f'inline; filename="earwitness-{id}.html"'
    headers = {"Content-Security-Policy": _REPORT_POLICY, "Content-Disposition": name}
    return Response(text, media_type="text/html", headers=headers)


async def _drawn(state: State, path: str, record: ScanRecord) -> str:
    """The report with a spectrogram: a worker reads the recording once more."""
    state.scans.admit()
    try:
        task = Task(token(), path, record.filename, verdict=dict(record.verdict or {}))
        outcome = await state.pool.submit(task, lambda _: None, lambda: None).done
    finally:
        state.scans.release()
    if outcome.page is None:
        raise problem_of(outcome.error or {}, outcome.status)
    return outcome.page


async def _find(state: State, caller: Caller, id: str) -> Scan | ScanRecord:
    """The scan, if it is the caller's to see; to others it is not there."""
    running = state.scans.get(id)
    if running is not None and (caller.is_admin or running.caller == caller.name):
        return running
    try:
        record = await asyncio.to_thread(state.records.get, id)
        if record is not None and (caller.is_admin or record.caller == caller.name):
            return record
        gone = None if record or running else await asyncio.to_thread(state.records.tombstone, id)
        if gone is not None:
            raise Problem(410, "deleted", "the record of this scan was deleted")
    except RecordError as error:
        raise _unavailable(error) from None
    raise Problem(404, "no-scan", "there is no such scan")


def _unavailable(error: RecordError) -> Problem:
    if error.code == "no-record":
        return Problem(404, "no-scan", "there is no such scan")
    if error.code == "record-changed":
        return Problem(500, error.code, error.message, hint=error.hint)
    return Problem(503, "records", "the records cannot be reached", headers={"Retry-After": "10"})


def _running(scan: Scan) -> dict[str, Any]:
    if scan.record is not None:
        return _recorded(scan.record)
    return {
        "id": scan.id,
        "state": scan.state,
        "created": scan.created,
        "caller": scan.caller,
        "filename": scan.filename,
        "sha256": scan.sha256,
        "detector": None,
        "verdict": None,
        "error": None,
        "progress": {"seconds": scan.heard, "total": scan.total},
        "report": None,
    }


def _recorded(record: ScanRecord) -> dict[str, Any]:
    return {**record.to_dict(), "progress": None, "report": f"/v1/scans/{record.id}/report"}


async def _events(scan: Scan) -> AsyncIterator[bytes]:
    """The feed of a scan as server-sent events (WHATWG HTML, 9.2)."""
    follower = scan.feed.follow()
    waiting: asyncio.Task[tuple[str, Any]] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(follower))
            done, _ = await asyncio.wait([waiting], timeout=_HEARTBEAT)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                name, data = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n".encode()
    finally:
        if waiting is not None:
            waiting.cancel()


def _json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(data, allow_nan=False), status, dict(headers or {}), "application/json")
