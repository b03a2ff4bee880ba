"""What a client may send: checked against the limits, refused in one sentence."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from textnets.errors import InputError
from textnets.serving.limits import Limits
from textnets.serving.models import Served


class TooLargeError(InputError):
    """A request asks for more than the limits allow."""


class PredictRequest(BaseModel):
    """One text or several; the other keys are for some tasks only."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = Field(None, description="One text; of a language model the prompt.")
    texts: list[str] | None = Field(None, description="Several texts.")
    top: int | None = Field(
        None, ge=1, description="Classification: tell only so many of the likeliest labels."
    )
    n_best: int | None = Field(None, ge=1, description="Translation: so many of each text.")
    attention: bool | None = Field(
        None, description="Translation: where each token looks in the source."
    )
    length: int | None = Field(None, ge=1, description="Language models: tokens at most.")
    temperature: float | None = Field(
        None, ge=0, le=100, allow_inf_nan=False, description="Language models: 0 is greedy."
    )
    top_k: int | None = Field(None, ge=1, description="Language models: of so many tokens only.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Language models: of tokens with this share only."
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Language models: of chance.")
    alternatives: int | None = Field(
        None, ge=0, le=100, description="Language models: the likeliest at each place."
    )
    stream: bool = Field(
        False, description="Language models: a line of JSON a token, as it is written."
    )

    @model_validator(mode="after")
    def _has_texts(self) -> PredictRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError('give "text" or "texts", one of them')
        return self

    @property
    def all_texts(self) -> list[str]:
        """One or more."""
        return [self.text] if self.text is not None else list(self.texts or ())


_TEXTS = ("text", "texts")
#: Wishes about how much of the answer is told, and how; the search knows nothing of them.
_OF_TELLING = ("top", "stream")
_LONGEST_KEY = 60  # that a message repeats


def parse_request(body: bytes, served: Served, limits: Limits) -> PredictRequest:
    """A request of a client.

    Args:
        body: that was sent.
        served: the model that is asked.
        limits: of a request.

    Raises:
        TooLargeError: there are too many texts, or one is too long.
        InputError: it is no JSON, or not what can be asked of the model.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the request is no JSON: {_in_short(error)}") from None
    try:
        request = PredictRequest.model_validate(content)
    except ValidationError as error:
        raise InputError(_sentence(error)) from None
    _check_texts(request, limits)
    if strange := sorted(request.model_fields_set - {*_TEXTS, *served.wishes}):
        raise InputError(f"{strange[0]!r} is for other tasks than {served.task}")
    if (request.length or 0) > limits.tokens:
        raise TooLargeError(f"'length' is {request.length:,}, {limits.tokens:,} at most")
    if request.stream and request.text is None:
        raise InputError("'stream' goes with one 'text'")
    return request


def _check_texts(request: PredictRequest, limits: Limits) -> None:
    texts = request.all_texts
    if len(texts) > limits.texts:
        raise TooLargeError(f"{len(texts):,} texts in one request, {limits.texts:,} at most")
    for number, text in enumerate(texts):
        where = "'text'" if request.text is not None else f"'texts[{number}]'"
        if len(text) > limits.characters:
            raise TooLargeError(
                f"{where} has {len(text):,} characters, {limits.characters:,} at most"
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"{where} holds half of a surrogate pair") from None


def wishes_of(request: PredictRequest) -> dict[str, Any]:
    """What was asked for besides the texts, and is for the model to do."""
    return request.model_dump(exclude={*_TEXTS, *_OF_TELLING}, exclude_none=True)


def _sentence(error: ValidationError) -> str:
    """The first mistake."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"])
    where = where if len(where) <= _LONGEST_KEY else f"{where[:_LONGEST_KEY]}…"
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known: {', '.join(PredictRequest.model_fields)}"
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where!r}: {message}" if where else message


def _in_short(error: BaseException) -> str:
    return str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
