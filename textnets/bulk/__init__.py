"""Predictions of files of any size: in windows, with flat memory, continued after a kill."""

from __future__ import annotations

from textnets.bulk.prediction import Predicted, predict_file

__all__ = ["Predicted", "predict_file"]
