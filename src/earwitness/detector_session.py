"""The network of a detector in memory: onnxruntime with the settings that scanning needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earwitness.errors import ConfigError, DetectorError, MissingExtraError

#: device -> onnxruntime's name of what runs there; what it cannot run goes to the processor
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_session(model: Path, *, threads: int, device: str = "cpu") -> Any:
    """The session of a model file.

    Parameters
    ----------
    model:
        ``model.onnx`` of a detector folder.
    threads:
        Cores that one batch may use.
    device:
        A name in :data:`PROVIDERS`.

    Raises
    ------
    ConfigError
        If there is no such device.
    MissingExtraError
        If this onnxruntime knows no CUDA.
    DetectorError
        If the file is no network from ``waveform`` to ``logit``.

    Examples
    --------
    >>> open_session(Path("model.onnx"), threads=1, device="abacus")
    Traceback (most recent call last):
        ...
    earwitness.errors.ConfigError: there is no device 'abacus' (known: cpu, cuda)
    """
    import onnxruntime

    if device not in PROVIDERS:
        raise ConfigError(f"there is no device {device!r}", hint="known: " + ", ".join(PROVIDERS))
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise MissingExtraError(
            f"this onnxruntime cannot use {device}", hint="pip uninstall onnxruntime; pip install onnxruntime-gpu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # a thread that waits for work must not burn a core that decoding could use
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = list(dict.fromkeys((PROVIDERS[device], PROVIDERS["cpu"])))
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=providers)
    except Exception as error:
        raise DetectorError(f"{model}: onnxruntime cannot load it: {str(error).splitlines()[0]}") from None
    names = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    if names[0] != ["waveform"] or "logit" not in names[1]:
        raise DetectorError(f"{model}: has inputs {names[0]} and outputs {names[1]}; expected waveform and logit")
    if PROVIDERS[device] not in session.get_providers():
        raise DetectorError(f"{model}: {device} was asked for, but the session runs on {session.get_providers()[0]}")
    return session
