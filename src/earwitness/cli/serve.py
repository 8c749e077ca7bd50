"""``earwitness serve``: the service and its page, on this machine or for an organisation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from earwitness.serve.settings import Settings


_Host = Annotated[str, typer.Option(help="Address to listen on; one that others can reach needs --keys.")]
_Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
_Keys = Annotated[
    Path | None, typer.Option(help="File with API keys; EARWITNESS_API_KEYS may hold more.", dir_okay=False)
]
_Records = Annotated[
    str,
    typer.Option(help="Database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", envvar="EARWITNESS_RECORDS"),
]
_Retention = Annotated[int, typer.Option(min=0, help="Delete records after so many days; 0 keeps them.")]
_SigningKey = Annotated[
    Path | None, typer.Option(help="Key that signs verdicts and records; see keys create.", dir_okay=False)
]
_KeepAudio = Annotated[
    Path | None, typer.Option(help="Folder to keep recordings in; none are kept without it.", file_okay=False)
]
_Detector = Annotated[
    Path | None, typer.Option(help="Detector folder in place of the one that ships.", file_okay=False)
]
_Profiles = Annotated[
    list[Path] | None, typer.Option(help="Profile that requests may name; may be given again.", dir_okay=False)
]
_Workers = Annotated[int, typer.Option(min=0, help="Recordings scanned at once; 0 = one per core.")]
_Queue = Annotated[int, typer.Option(min=0, help="Recordings that may wait; more get 503.")]
_Streams = Annotated[int, typer.Option(min=0, help="Live streams at once; more get 503, 0 = none.")]
_MaxUpload = Annotated[int, typer.Option(min=1, help="Largest upload in MiB.")]
_MaxMinutes = Annotated[float, typer.Option(min=0.01, help="Longest recording in minutes.")]
_MaxSeconds = Annotated[float, typer.Option(min=1, help="Longest time for one scan in seconds.")]
_MaxMemory = Annotated[int, typer.Option(min=600, help="Most memory for one scan in MiB.")]
_Rate = Annotated[int, typer.Option(min=0, help="Requests per caller and minute; 0 = no limit.")]
_HostNames = Annotated[
    list[str] | None, typer.Option(help="Name under which the service is called; may be given again.")
]
_Origins = Annotated[
    list[str] | None, typer.Option(help="Other origin whose pages may call it (CORS); may be given again.")
]
_TlsCert = Annotated[Path | None, typer.Option(help="Certificate for https, with --tls-key.", dir_okay=False)]
_TlsKey = Annotated[Path | None, typer.Option(help="Its key.", dir_okay=False)]
_Grace = Annotated[float, typer.Option(min=0, help="Seconds that a shutdown waits for running scans.")]


def serve(
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    keys: _Keys = None,
    records: _Records = "sqlite:///earwitness-records.sqlite",
    retention_days: _Retention = 0,
    signing_key: _SigningKey = None,
    keep_audio: _KeepAudio = None,
    detector: _Detector = None,
    profile: _Profiles = None,
    workers: _Workers = 0,
    queue: _Queue = 64,
    streams: _Streams = 16,
    max_upload: _MaxUpload = 200,
    max_minutes: _MaxMinutes = 240.0,
    max_seconds: _MaxSeconds = 300.0,
    max_memory: _MaxMemory = 1536,
    rate: _Rate = 600,
    host_name: _HostNames = None,
    origin: _Origins = None,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    grace: _Grace = 30.0,
) -> None:
    """Serve the API and the page. Recordings are scanned on this machine and sent nowhere.

    Without API keys it listens on this machine only. Ctrl-C or SIGTERM ends it when running scans are done.
    """
    from earwitness.serve.settings import MIB, Settings

    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    settings = Settings(
        host=host,
        port=port,
        keys_file=keys,
        records=records,
        retention_days=retention_days,
        signing_key=signing_key,
        keep_audio=keep_audio,
        detector=detector,
        profiles=tuple(profile or ()),
        workers=workers,
        queue=queue,
        streams=streams,
        upload_bytes=max_upload * MIB,
        audio_seconds=60 * max_minutes,
        wall_seconds=max_seconds,
        cpu_seconds=max(1, round(max_seconds)),
        memory_bytes=max_memory * MIB,
        rate_per_minute=rate,
        hosts=tuple(host_name or ()),
        origins=tuple(origin or ()),
        grace_seconds=grace,
    )
    _run(settings, (tls_cert, tls_key) if tls_cert and tls_key else None)


def _run(settings: Settings, tls: tuple[Path, Path] | None) -> None:
    from earwitness.cli.common import say
    from earwitness.errors import MissingExtraError

    try:
        from earwitness.serve.run import serve as run
    except ImportError as error:
        raise MissingExtraError(f"serve: {error.name} is missing", hint="pip install 'earwitness[serve]'") from None
    run(
        settings,
        tls=tls,
        ready=lambda address: say(f"earwitness listens on {address} (end it with Ctrl-C)", sys.stderr),
    )
