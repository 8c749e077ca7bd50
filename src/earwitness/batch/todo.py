"""What is left of a source: the items whose ids are not done, and the order that all of them stand in."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from earwitness.batch.items import Item, Keys, digest
from earwitness.batch.shards import ShardSource


class Todo(Iterator[Item]):
    """Items to be heard, one after another; those that are done are passed over.

    Parameters
    ----------
    source:
        All items.
    done:
        Sorted digests of the ids that are done.

    Examples
    --------
    >>> items = [Item(name, name) for name in ("b.wav", "a.wav")]
    >>> todo = Todo(items, np.array([digest("b.wav")], dtype=np.uint64))
    >>> [item.id for item in todo], todo.order().tolist() == [digest("b.wav"), digest("a.wav")]
    (['a.wav'], True)
    """

    def __init__(self, source: Iterable[Item], done: Keys | None = None) -> None:
        self.done = np.zeros(0, dtype=np.uint64) if done is None else done
        self.shards = source.shards if isinstance(source, ShardSource) else None
        """The shards, where a backend may read them elsewhere; it then tells :meth:`note` what it met."""
        self._items = iter(source)
        self._keys, self._places = array("Q"), array("Q")

    def __next__(self) -> Item:
        for item in self._items:
            key = digest(item.id)
            self.note(key, len(self._keys))
            if not is_in(self.done, key):
                return item
        raise StopIteration

    def note(self, key: int, place: int) -> None:
        """Take note that the item with this digest stands at ``place``."""
        self._keys.append(key)
        self._places.append(place)

    def order(self) -> Keys:
        """The digests of all items that were met, in the order of the source."""
        keys, places = (np.frombuffer(a, dtype=np.uint64) for a in (self._keys, self._places))
        return keys[np.argsort(places, kind="stable")]


def is_in(keys: Keys, key: int) -> bool:
    """Whether a digest is among sorted ones."""
    place = int(np.searchsorted(keys, np.uint64(key)))
    return place < keys.size and int(keys[place]) == key
