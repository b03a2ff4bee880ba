"""The interval of one statistic, for tests of what works on several."""

from __future__ import annotations

from typing import Any

from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many


def bootstrap(statistic: Statistic, num_examples: int, **settings: Any) -> Estimate:
    """See :func:`textnets.evaluation.confidence.bootstrap_many`."""
    return bootstrap_many({"statistic": statistic}, num_examples, **settings)["statistic"]
