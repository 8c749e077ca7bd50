"""``earwitness data``: corpora to manifests, and what one does with manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earwitness.cli.progress import Bar

app = typer.Typer(help="Build, check, split, merge, filter and extend manifests.", no_args_is_help=True)

MOST_PROBLEMS = 20

ManifestFile = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="CSV, TSV, JSONL or Parquet.", show_default=False)
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Manifest to write; the suffix is the format.", show_default=False)
]
Root = Annotated[
    Path | None,
    typer.Option(help="Folder that paths start from, when it is not the manifest's own.", show_default=False),
]


@app.command("build")
def build_command(
    corpus: Annotated[str, typer.Argument(help="A name that 'earwitness data list' shows.", show_default=False)],
    root: Annotated[Path, typer.Argument(help="The corpus folder, or the table.", show_default=False)],
    out: Out,
    reals: Annotated[Path | None, typer.Option(help="Originals of a corpus that holds fakes only.")] = None,
    unpack: Annotated[Path | None, typer.Option(help="Where tar shards are unpacked (demo-pages).")] = None,
    version: Annotated[str | None, typer.Option(help="One version of several (fake-or-real).")] = None,
    column: Annotated[list[str] | None, typer.Option(help="path=NAME, label=NAME … (table).")] = None,
    word: Annotated[list[str] | None, typer.Option(help="real=bonafide, fake=spoof … (table).")] = None,
    human_word: Annotated[list[str] | None, typer.Option(help="Folder name that means human (folders).")] = None,
    spoof_word: Annotated[list[str] | None, typer.Option(help="Folder name that means generated (folders).")] = None,
    allow_missing: Annotated[bool, typer.Option(help="Leave rows without a file out, and say so.")] = False,
    check_files: Annotated[bool, typer.Option(help="Whether files must exist.")] = True,
    keep_paths: Annotated[bool, typer.Option(help="Keep paths relative to ROOT; read with --root later.")] = False,
) -> None:
    """One validated manifest of a corpus or of a folder of your own.

    Prints the published counts beside those found; a difference is a note, a missing file an error.
    """
    from earwitness.data.building import build
    from earwitness.data.manifest import write_manifest

    built = build(
        corpus,
        root,
        check_files=check_files,
        allow_missing=allow_missing,
        reals=reals,
        unpack=unpack,
        version=version,
        columns=_pairs(column, "--column"),
        words=_pairs(word, "--word"),
        human_words=human_word,
        spoof_words=spoof_word,
    )
    write_manifest(built.manifest, out, keep_paths=keep_paths)
    typer.echo(f"{out}: {len(built.manifest):,} rows. Licence: {built.licence}")
    for count in built.counts:
        typer.echo(f"  {count}{'' if count.found == count.expected else '   <- differs'}")
    for note in built.notes():
        typer.echo(f"note: {note}", err=True)


@app.command("list")
def list_command() -> None:
    """The corpora that can be read."""
    import importlib

    from earwitness.data import DATASETS

    for name, target in DATASETS.items():
        doc = importlib.import_module(target.partition(":")[0]).__doc__ or ""
        typer.echo(f"{name:16} {doc.splitlines()[0]}")


@app.command("check")
def check_command(
    manifest: ManifestFile,
    root: Root = None,
    files: Annotated[bool, typer.Option(help="Whether files must exist.")] = True,
) -> None:
    """Whether every row is valid: exact labels, unique ids, numbers, files. Exit code 1 when not.

    Streams through polars where it is installed, so that a million rows take seconds; else the table is read whole.
    """
    from itertools import islice

    from earwitness.data import frames
    from earwitness.data.manifest import read_manifest
    from earwitness.errors import MissingExtraError

    base = manifest.parent if root is None else root
    try:
        problems = frames.check(manifest)
        if files and not problems:
            absent = islice(frames.missing(manifest, base), MOST_PROBLEMS)
            problems = [f"{manifest}:{line}: no such file: {base / name}" for line, name in absent]
    except MissingExtraError:
        rows = read_manifest(manifest, root=root)
        problems = [f"{rows.place(i)}: no such file: {rows.file(rows[i])}" for i in (rows.missing() if files else ())]
    for problem in problems[:MOST_PROBLEMS]:
        typer.echo(problem, err=True)
    if problems:
        more = f"; only the first {MOST_PROBLEMS} problems are shown" if len(problems) >= MOST_PROBLEMS else ""
        typer.echo(f"{manifest}: not valid{more}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{manifest}: valid{'' if files else ' (files were not looked for)'}")


@app.command("split")
def split_command(
    manifest: ManifestFile,
    out: Out,
    shares: Annotated[
        str, typer.Option(help="80/20 (train/test), 70/15/15 (train/dev/test) or name=share,…")
    ] = "70/15/15",
    disjoint: Annotated[list[str] | None, typer.Option(help="speaker, system, source or another column.")] = None,
    stratify: Annotated[list[str] | None, typer.Option(help="Columns mixed alike in every part.")] = None,
    unknown: Annotated[str, typer.Option(help="Rows without a value to keep apart: error, alone, drop.")] = "error",
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    root: Root = None,
) -> None:
    """Train, dev and test parts: seeded, stratified, disjoint by what you name; pairs stay together."""
    from earwitness.data.manifest import read_manifest, write_manifest
    from earwitness.data.splits import split_manifest

    rows = split_manifest(
        read_manifest(manifest, root=root),
        parse_shares(shares),
        disjoint=disjoint or (),
        stratify=stratify or ("label",),
        unknown=unknown,
        seed=seed,
    )
    write_manifest(rows, out)
    for part in parse_shares(shares):
        own = rows.filter(split=part)
        human = sum(not row.spoof for row in own)
        typer.echo(f"{part:8} {len(own):9,} rows  {human:9,} bonafide  {len(own) - human:9,} spoof")


@app.command("merge")
def merge_command(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST…", help="Two or more.", show_default=False)],
    out: Out,
    prefix: Annotated[bool, typer.Option(help="Put the manifest's name before ids that would collide.")] = False,
) -> None:
    """One manifest of several."""
    from earwitness.data.manifest import read_manifest, write_manifest
    from earwitness.data.splits import merge_manifests
    from earwitness.errors import ConfigError

    if len({path.stem for path in manifests}) < len(manifests):
        raise ConfigError("two manifests have the same name", hint="rename one: the name becomes the prefix")
    merged = merge_manifests({path.stem: read_manifest(path) for path in manifests}, prefix=prefix)
    write_manifest(merged, out)
    typer.echo(f"{out}: {len(merged):,} rows")


@app.command("filter")
def filter_command(
    manifest: ManifestFile,
    out: Out,
    where: Annotated[list[str] | None, typer.Option(help="column=value,value… must hold.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="column=value,value… must not hold.")] = None,
) -> None:
    """The rows that match, streamed: a million rows take seconds."""
    from earwitness.data.frames import filter_file

    chosen = {k: v.split(",") for k, v in _pairs(where, "--where").items()}
    refused = {k: v.split(",") for k, v in _pairs(without, "--without").items()}
    typer.echo(f"{out}: {filter_file(manifest, out, where=chosen, without=refused):,} rows")


@app.command("stats")
def stats_command(
    manifest: ManifestFile,
    by: Annotated[str, typer.Option(help="Columns, separated by commas.")] = "split,label",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Clips, hours, speakers, systems and sources for each value of some columns."""
    import json

    from earwitness.data.frames import scan, stats

    names = scan(manifest).collect_schema().names()
    # The default must work for a manifest without splits; what the user names must exist.
    columns = [c for c in by.split(",") if by != "split,label" or c in names]
    table = stats(manifest, columns)
    if as_json:
        typer.echo(json.dumps(table, indent=1))
        return
    typer.echo("\t".join(table[0]))
    for line in table:
        typer.echo(
            "\t".join("" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in line.values())
        )


@app.command("images")
def images_command(
    manifest: ManifestFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the images.", show_default=False)],
    root: Root = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Of the front end: mels=80, width=224 …")] = None,
) -> None:
    """Mel-spectrogram images of every clip: PNG files and images.csv, the manifest of them; resumable.

    Rows are mel frequency (highest at the top), columns time; the pixels are those of the front end mel_image.
    """
    from earwitness.config import build, with_overrides
    from earwitness.data.images import TABLE, write_images
    from earwitness.data.manifest import read_manifest
    from earwitness.features.mel_image import MelImageSettings

    chosen = build(MelImageSettings, with_overrides({}, settings or []), where="--set")
    rows = read_manifest(manifest, root=root)
    with Bar("images", len(rows)) as advance:
        made = write_images(rows, out, chosen, progress=advance)
    typer.echo(f"{out / TABLE}: {len(made):,} images")


@app.command("synth")
def synth_command(
    manifest: ManifestFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for clips and manifest.csv.", show_default=False)],
    method: Annotated[
        list[str],
        typer.Option(help="griffin-lim, lpc, world, codec-chain, or a folder or hub name.", show_default=False),
    ],
    root: Root = None,
    chain_label: Annotated[
        str | None, typer.Option(help="What codec-chain copies count as: bonafide or spoof.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of noise, phases and chains.")] = 0,
) -> None:
    """Copy-synthesis spoofs of the human clips, each paired with its original; resumable."""
    from earwitness.data.manifest import read_manifest, write_manifest
    from earwitness.data.synth import synthesise

    rows = read_manifest(manifest, root=root)
    with Bar("copies", len(rows)) as advance:
        made = synthesise(rows, out, method, chain_label=chain_label, seed=seed, progress=advance)
    write_manifest(made, out / "manifest.csv")
    typer.echo(f"{out / 'manifest.csv'}: {len(made):,} rows, {sum(bool(row.pair) for row in made):,} copies")


def parse_shares(text: str) -> dict[str, float]:
    """``80/20``, ``70/15/15`` or ``train=.6,dev=.2,test=.2`` as part -> share.

    Examples
    --------
    >>> parse_shares("70/15/15")
    {'train': 0.7, 'dev': 0.15, 'test': 0.15}
    """
    from earwitness.errors import ConfigError

    try:
        if "/" in text:
            numbers = [float(part) / 100 for part in text.split("/")]
            names = {2: ("train", "test"), 3: ("train", "dev", "test")}[len(numbers)]
            return dict(zip(names, numbers, strict=True))
        return {name.strip(): float(share) for name, share in (part.split("=") for part in text.split(","))}
    except (ValueError, KeyError):
        raise ConfigError(f"--shares {text!r}", hint="such as 80/20, 70/15/15 or train=.6,dev=.2,test=.2") from None


def _pairs(items: list[str] | None, option: str) -> dict[str, str]:
    from earwitness.errors import ConfigError

    pairs = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {item!r}", hint="expected name=value")
        pairs[name] = value
    return pairs
