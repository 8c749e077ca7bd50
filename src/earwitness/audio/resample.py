"""The one resampler: any rate to 16 kHz, in blocks, by soxr's ``HQ`` setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from earwitness.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Resampler:
    """Bring mono blocks of one rate to 16 kHz; the blocks' borders leave no trace in the samples.

    The whole output of ``n`` input samples has ``n * 16000 / rate`` samples, rounded, and is aligned with the input:
    the filter's delay is taken out. At 16 kHz the samples pass unchanged.

    Parameters
    ----------
    rate:
        The input's rate in Hz, any positive whole number.

    Examples
    --------
    >>> import numpy as np
    >>> resampler = Resampler(48_000)
    >>> blocks = [resampler.push(np.zeros(24_000, np.float32)) for _ in range(2)] + [resampler.flush()]
    >>> sum(len(block) for block in blocks)
    16000
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._stream = None
        if rate != SAMPLE_RATE:
            import soxr

            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples at 16 kHz that this block, shape ``(n,)``, completes; the array is the caller's own."""
        if self._stream is None:
            return block.copy()
        out: NDArray[np.float32] = self._stream.resample_chunk(block, last=False)
        return out

    def flush(self) -> NDArray[np.float32]:
        """The remaining samples; afterwards the resampler is used up."""
        empty = np.zeros(0, np.float32)
        if self._stream is None:
            return empty
        out: NDArray[np.float32] = self._stream.resample_chunk(empty, last=True)
        return out
