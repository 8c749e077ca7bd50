"""Live sound over WebSockets: ``/v1/stream`` for browsers and programs, ``/v1/stream/twilio`` for telephone calls.

The messages are described in ``docs/stream.md``. What decides is :mod:`earwitness.detector_live`; here is what brings
the sound to it: framing, limits, keys, and a process of its own for sound that a native decoder has to unpack.
"""
