"""A recipe with several seeds: trained, their scores put together, its claim judged."""

from textnets.reproduction.result import Reproduction
from textnets.reproduction.training import reproduce

__all__ = ["Reproduction", "reproduce"]
