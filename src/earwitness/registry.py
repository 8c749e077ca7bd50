"""The visible tables of names: ``name -> "module:attribute"``, resolved when asked.

A table is a plain dictionary that stands in the group's ``__init__`` (``FRONTENDS`` in ``earwitness.features``,
and so on). Nothing is imported until :func:`find` is called for the name.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from earwitness.errors import UnknownNameError

Table = Mapping[str, str]


def find(table: Table, name: str, *, kind: str = "name") -> Any:
    """The object that ``name`` stands for in ``table``.

    Parameters
    ----------
    table:
        ``name -> "module:attribute"``.
    name:
        The name to resolve, exactly as written in the table.
    kind:
        What the table holds, in the singular, for the error message (``"model"``, ``"front end"``).

    Raises
    ------
    UnknownNameError
        If the name is not in the table; the hint lists the nearest names.

    Examples
    --------
    >>> find({"ordered": "collections:OrderedDict"}, "ordered").__name__
    'OrderedDict'
    """
    try:
        target = table[name]
    except KeyError:
        near = difflib.get_close_matches(name, table, n=3, cutoff=0.4)
        known = ", ".join(near or sorted(table))
        raise UnknownNameError(
            f"there is no {kind} named {name!r}", hint=("did you mean: " if near else "known: ") + known
        ) from None
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
