"""A trained model as a service: HTTP, a page to try it on, metrics."""

from __future__ import annotations

from textnets.serving.limits import Limits
from textnets.serving.server import serve

__all__ = ["Limits", "serve"]
