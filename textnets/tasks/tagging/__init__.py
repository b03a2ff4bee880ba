"""Tagging: one tag a word, of sentences that are cut into words already."""

from textnets.tasks.tagging.examples import TaggedSentences
from textnets.tasks.tagging.task import TaggingTask

__all__ = ["TaggedSentences", "TaggingTask"]
