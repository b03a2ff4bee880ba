"""Requests that wait while the model is at work are answered together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from textnets.errors import TextnetsError
from textnets.serving.metrics import Metrics
from textnets.serving.models import Answer, Served

_END: Any = object()


class BusyError(TextnetsError):
    """Too many texts wait already."""


@dataclass(frozen=True)
class _Waiting:
    """A request that waits."""

    texts: Sequence[str]
    wishes: Mapping[str, Any]
    answer: asyncio.Future[list[Answer]]


class Batcher:
    """One thread that asks the model, and who waits for it.

    Nobody waits for a batch to fill: while the model answers one, the next gathers.

    Args:
        served: the model.
        most: texts of a batch; a request of more is a batch of its own.
        most_waiting: texts that may wait.
        metrics: where batches are counted.
    """

    def __init__(self, served: Served, most: int, most_waiting: int, metrics: Metrics) -> None:
        self._served, self._most, self._most_waiting = served, most, most_waiting
        self._metrics = metrics
        self._waiting: deque[_Waiting] = deque()
        self._texts_waiting = 0
        self._thread = ThreadPoolExecutor(1, "model")
        self._worker: asyncio.Task[None] | None = None

    async def answer(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Answer]:
        """An answer for each text.

        Raises:
            BusyError: too many wait.
            TextnetsError: the model cannot do that.
        """
        if self._texts_waiting + len(texts) > self._most_waiting:
            raise BusyError("too many texts wait for the model; come again in a second")
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(texts, wishes, future))
        self._texts_waiting += len(texts)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def stream(
        self, prompt: str, wishes: Mapping[str, Any]
    ) -> Callable[[], asyncio.Future[Answer | None]]:
        """What gives the next token of a continuation each time that it is called, ``None`` at the
        end. The model's thread is taken for a token at a time, so others have their turn, and
        nobody waits for a client that reads slowly.

        Raises:
            TextnetsError: the model does not write.
        """
        loop = asyncio.get_running_loop()
        tokens: Iterator[Answer] = self._served.stream(prompt, wishes)

        def following() -> asyncio.Future[Answer | None]:
            return loop.run_in_executor(self._thread, next, tokens, None)

        return following

    def close(self) -> None:
        """The thread ends when its work is done."""
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            texts = [text for one in batch for text in one.texts]
            try:
                answers = await self._ask(texts, batch[0].wishes)
            except Exception as error:
                await self._one_by_one(batch, error)
                continue
            start = 0
            for one in batch:
                self._give(one, answers[start : start + len(one.texts)])
                start += len(one.texts)

    def _next_batch(self) -> list[_Waiting]:
        """The first that waits, and those after it that ask for the same."""
        batch, size = [self._waiting.popleft()], 0
        size = len(batch[0].texts)
        while (
            self._waiting
            and self._waiting[0].wishes == batch[0].wishes
            and size + len(self._waiting[0].texts) <= self._most
        ):
            batch.append(self._waiting.popleft())
            size += len(batch[-1].texts)
        self._texts_waiting -= size
        return batch

    async def _ask(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Answer]:
        self._metrics.batch(len(texts))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._served.predict, texts, wishes)

    async def _one_by_one(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Nobody fails for what another has asked."""
        for one in batch:
            if len(batch) == 1:
                self._fail(one, error)
                continue
            try:
                self._give(one, await self._ask(one.texts, one.wishes))
            except Exception as own:
                self._fail(one, own)

    @staticmethod
    def _give(one: _Waiting, answers: list[Answer]) -> None:
        if not one.answer.done():  # its client may have gone
            one.answer.set_result(answers)

    @staticmethod
    def _fail(one: _Waiting, error: Exception) -> None:
        if not one.answer.done():
            one.answer.set_exception(error)
