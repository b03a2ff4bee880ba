"""Models that textnets trained, run by NumPy alone: no TensorFlow, no Keras.

``textnets export RUN --to numpy --output DIR`` writes ``DIR/model.textnets``, one file. Here it is
loaded, and answers as the run does::

    import textnets.lite

    model = textnets.lite.load("DIR/model.textnets")
    model.predict(["my card still has not arrived"])

Whatever is imported here needs Python and NumPy; a test takes all else away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textnets.lite.loading import load
    from textnets.lite.predictor import LitePredictor

__all__ = ["LitePredictor", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from textnets.lite.loading import load

        return load
    if name == "LitePredictor":
        from textnets.lite.predictor import LitePredictor

        return LitePredictor
    raise AttributeError(f"module 'textnets.lite' has no attribute {name!r}")
