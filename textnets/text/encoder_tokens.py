"""Texts as the ids of a pretrained encoder, cut by its own tokenizer.

What becomes of a text is what model2vec's ``StaticModel.encode`` makes of it (model2vec 0.10): it
is first cut to so many characters as ``max_length`` tokens of median length have, then into tokens,
without those that mark its beginning and end; of these the first ``max_length`` count, and of them
all but unknown ones. The ids are those of the encoder after textnets' own special ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from textnets.errors import DataError, MissingExtraError, RunError
from textnets.progress import Progress
from textnets.text.encoded import RaggedIds, join_parts
from textnets.text.encoder import Coverage, Token
from textnets.text.text_growth import MOST_GROWTH, growth_of
from textnets.text.tokenizers import CHUNK, chunks
from textnets.text.vocabulary import SPECIAL_TOKENS, UNKNOWN_ID, VOCABULARY_FILE, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"  # in the encoder's folder, and in a run
SETTINGS_FILE = "encoder.json"  # in a run
LARGEST_TOKENIZER = 2**28  # bytes; those of half a million tokens have a tenth
_FIRST_ID = len(SPECIAL_TOKENS)
_MOSTLY, _FEWEST_TOKENS = 0.5, 20  # unknown tokens: from when on something is said
_SURROGATE = re.compile("[\ud800-\udfff]")
# What any tokenizer must be able to cut: nothing, a word, and what no vocabulary has.
_TRIED = ("", "a", "\u200b\U000f0000 \u0e01\u6587 word's")


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder makes a vector of a text.

    Attributes:
        max_length: so many tokens of a text count, the first ones; ``None`` for all.
        unit_length: whether the mean of their vectors is divided by its length.
        width: of the vectors.
        sha256: of the files of its folder.
    """

    max_length: Annotated[int, Gt(0)] | None
    unit_length: bool
    width: Annotated[int, Gt(0)]
    sha256: str


class EncoderTokens:
    """The tokenizer of a pretrained encoder, and its tokens in the order of their ids.

    A text without known tokens is one ``[UNK]``, so that no row is empty.

    Args:
        content: of the tokenizer's file.
        settings: of the encoder.
        max_length: so many tokens of a text count, where it is not the encoder's own number.

    Raises:
        ValueError: the file is no tokenizer, or one whose ids are not 0, 1, 2 and so on.
        MissingExtraError: the library that reads it is not installed.
    """

    def __init__(
        self, content: bytes, settings: EncoderSettings, max_length: int | None = None
    ) -> None:
        self._content, self.settings = content, settings
        self._tokenizer = _read(content)
        known = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        if [number for _, number in known] != list(range(len(known))) or not known:
            raise ValueError("its ids are not 0, 1, 2 and so on, each of one token")
        self.vocabulary = Vocabulary(token for token, _ in known)
        self._unknown = _unknown_id(self._tokenizer)
        self._max_length = max_length or settings.max_length
        # Of what is cut off before: a token is seldom longer than most are.
        self._median = int(np.median([len(token) for token, _ in known]))
        self._has_warned = False
        with _as_value_error():
            self._tokenizer.encode_batch_fast(list(_TRIED), add_special_tokens=False)

    @classmethod
    def load(
        cls, folder: Path, settings: EncoderSettings, vocabulary: Vocabulary, max_length: int | None
    ) -> EncoderTokens:
        """Of the files that :meth:`save` wrote into a run.

        Raises:
            RunError: one is missing, damaged, or not of the other.
        """
        path = folder / TOKENIZER_FILE
        try:
            if path.stat().st_size > LARGEST_TOKENIZER:
                raise RunError(f"{path}: is not what was written: it is too large")
            found = cls(path.read_bytes(), settings, max_length)
        except (OSError, ValueError) as error:
            if isinstance(error, RunError | MissingExtraError):
                raise
            raise RunError(f"{path}: cannot be read as the tokenizer of a run: {error}") from None
        if found.vocabulary.ordinary_tokens != vocabulary.ordinary_tokens:
            raise RunError(
                f"{folder}: {TOKENIZER_FILE} has other tokens than {VOCABULARY_FILE}; copy the run "
                "again, or train it again"
            )
        return found

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the settings, and the tokenizer's file as it was read."""
        self.vocabulary.save(folder / VOCABULARY_FILE)
        settings = json.dumps(asdict(self.settings), indent=2)
        (folder / SETTINGS_FILE).write_text(settings + "\n", encoding="utf-8")
        (folder / TOKENIZER_FILE).write_bytes(self._content)

    def encode(self, texts: Sequence[str]) -> RaggedIds:
        """Ids of some texts."""
        return self.encode_measured(texts)[0]

    def encode_measured(
        self,
        texts: Iterable[str],
        *,
        progress: Progress | None = None,
        label: str = "encoding",
        total: int | None = None,
    ) -> tuple[RaggedIds, Coverage]:
        """Ids of many texts, chunk by chunk, and what the encoding did to them.

        Raises:
            DataError: the tokenizer fails on a text.
        """
        flat, lengths, found = [], [], Coverage(0, 0, 0, 0, 0, 0)
        with (progress or Progress()).steps(label, total, "texts") as step:
            for chunk in chunks(texts, CHUNK):
                ids, row_lengths, coverage = self._encode_chunk(chunk)
                flat.append(ids)
                lengths.append(row_lengths)
                found = found + coverage
                step.advance(len(chunk))
        if progress is not None:
            self._warn(progress, label, found)
        return join_parts(flat, lengths), found

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of some texts that the model sees, without unknown ones."""
        encoded = self.encode(texts)
        return [
            [Token(self._name(number), number) for number in encoded.row(index).tolist()]
            for index in range(len(texts))
        ]

    def _name(self, token_id: int) -> str:
        """A token as shown to a person; ``""`` of what stands for none."""
        return "" if token_id == UNKNOWN_ID else self.vocabulary.decode_id(token_id)

    def _encode_chunk(
        self, texts: Sequence[str]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], Coverage]:
        """Flat ids, how many each text has, and what was done to them."""
        most = self._max_length
        shown = list(map(_as_unicode, texts))
        cut = shown if most is None else [text[: most * self._median] for text in shown]
        try:
            with _as_value_error():
                cuttings = self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)
        except ValueError as error:
            raise DataError(f"text.encoder: its tokenizer cannot cut a text: {error}") from None
        whole = [cutting.ids for cutting in cuttings]
        before = np.array(list(map(len, whole)), np.int64)
        kept = [ids[:most] for ids in whole]
        lengths = np.array(list(map(len, kept)), np.int64)
        ids = np.fromiter(chain.from_iterable(kept), np.int64, int(lengths.sum()))
        if ids.max(initial=0) >= len(self.vocabulary) - _FIRST_ID:
            raise DataError("text.encoder: its tokenizer gives a token an id that none has")
        rows = np.repeat(np.arange(len(kept)), lengths)
        is_known = np.ones(len(ids), np.bool_) if self._unknown is None else ids != self._unknown
        known = np.bincount(rows[is_known], minlength=len(kept))
        is_shorter = np.array([len(one) < len(text) for one, text in zip(cut, shown, strict=True)])
        coverage = Coverage(
            texts=len(kept),
            tokens=int(before.sum()),
            unknown=int((~is_known).sum()),
            truncated=int((is_shorter | (before > lengths)).sum()),
            empty=int((known == 0).sum()),
            longest=int(before.max(initial=0)),
        )
        # What has no token gets one, at the place where its row begins.
        places = np.concatenate([[0], np.cumsum(known)[:-1]])[known == 0]
        filled = np.insert(ids[is_known] + _FIRST_ID, places, UNKNOWN_ID)
        return filled.astype(np.int32), np.maximum(known, 1).astype(np.int64), coverage

    def _warn(self, progress: Progress, label: str, coverage: Coverage) -> None:
        """Tell of texts that are mostly unknown to the encoder, once."""
        is_known = coverage.unknown <= _MOSTLY * coverage.tokens
        if self._has_warned or is_known or coverage.tokens < _FEWEST_TOKENS:
            return
        self._has_warned = True
        what = label.removeprefix("encoding").strip() or "the text"
        progress.warn(
            f"{what}: {coverage.unknown_share:.0%} of the tokens are none that the encoder knows, "
            "and count for nothing; take one that was made of texts in this language"
        )


def _as_unicode(text: str) -> str:
    """A text without halves of characters: pairs are put together, others become U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# --- The library ---


def _read(content: bytes) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError("a pretrained encoder (text.encoder)", extra="encoder") from None
    with _as_value_error():
        found = Tokenizer.from_str(content.decode("utf-8"))
        # What a file says of these is for another model, or for its training.
        found.no_padding()
        found.no_truncation()
        model: Any = found.model
        if getattr(model, "dropout", None) is not None:  # of merges, drawn anew for each text
            model.dropout = None
        growth = growth_of(json.loads(content).get("normalizer"))
    if growth > MOST_GROWTH:
        raise ValueError(f"its normalizer may make a text more than {MOST_GROWTH:,} times as long")
    return found


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of the token that stands for what is unknown, which counts for nothing."""
    model: Any = tokenizer.model
    if hasattr(model, "unk_token"):
        return None if model.unk_token is None else tokenizer.token_to_id(model.unk_token)
    found: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")
    return found


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Tell what the library raises as one kind: it raises ``Exception`` itself, and where its own
    code panics, something that is none."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(reason) from None
