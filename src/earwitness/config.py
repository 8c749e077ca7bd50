"""Settings: frozen dataclasses beside their code, differences in TOML, ``--set a.b=c`` on the command line.

Unknown keys and wrong types fail with the name of the key, the file, and the near names.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from earwitness.errors import ConfigError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """The TOML file as nested dictionaries; errors name the file and the position."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", hint="give the path of a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """``values`` with each ``a.b=c`` of ``overrides`` put in; ``c`` is read as TOML, else as a plain word.

    Examples
    --------
    >>> with_overrides({"optimizer": {"lr": 0.1}}, ["optimizer.lr=0.01", "name=small"])
    {'optimizer': {'lr': 0.01}, 'name': 'small'}
    """
    out: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {item!r}: expected name=value", hint="for example --set optimizer.lr=0.001")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *path, last = key.strip().split(".")
        place = out
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {item!r}: {part!r} is a value and has no parts")
            place[part] = inner = dict(inner)
            place = inner
        place[last] = value
    return out


def build(settings: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """An instance of the dataclass ``settings`` from ``values``, every key and type checked.

    Parameters
    ----------
    settings:
        A dataclass type; fields may be dataclasses themselves, ``X | None``, tuples, lists, dictionaries or scalars.
    values:
        As read from TOML.
    where:
        File or section, for the error message.

    Raises
    ------
    ConfigError
        For an unknown key, a missing key or a value of another type.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Optimizer:
    ...     lr: float = 1e-3
    >>> build(Optimizer, {"lr": 1}, where="x.toml").lr
    1.0
    """
    hints = typing.get_type_hints(settings)
    fields = {f.name: f for f in dataclasses.fields(settings) if f.init}  # type: ignore[arg-type]
    unknown = [key for key in values if key not in fields]
    if unknown:
        near = difflib.get_close_matches(unknown[0], fields, n=3, cutoff=0.4) or sorted(fields)
        raise ConfigError(f"{where}: unknown setting {unknown[0]!r}", hint="known: " + ", ".join(near))
    missing = [
        name
        for name, f in fields.items()
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: setting {missing[0]!r} is missing")
    return settings(**{k: _cast(v, hints[k], f"{where}: {k}") for k, v in values.items()})


def _cast(value: Any, hint: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        tried = [a for a in args if a is not type(None)]
        for option in tried[:-1]:
            try:
                return _cast(value, option, where)
            except ConfigError:
                continue
        return _cast(value, tried[-1], where)
    if origin is typing.Literal:
        if value in args:
            return value
        raise ConfigError(f"{where}: {value!r} is not allowed", hint="allowed: " + ", ".join(map(str, args)))
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(hint, value, where=where)  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, list | tuple):
        inner = [args[0]] * len(value) if len(args) == 2 and args[1] is ... else list(args)
        if len(inner) != len(value):
            raise ConfigError(f"{where}: expected {len(inner)} values, found {len(value)}")
        return tuple(_cast(v, a, where) for v, a in zip(value, inner, strict=True))
    if origin is list and isinstance(value, list | tuple):
        return [_cast(v, args[0], where) for v in value]
    if origin in (dict, Mapping) or (origin is not None and issubclass(origin, Mapping)):
        if isinstance(value, Mapping):
            return {k: _cast(v, args[1], f"{where}.{k}") for k, v in value.items()}
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where}: expected {name}, found {value!r}")
