"""From text to tokens, as TensorFlow graph operations.

Because normalization and tokenization are graph operations, the very same graph serves
training, prediction and an exported model. TensorFlow is imported when a tokenizer is
made, not before.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textnets.errors import DataError, InputError, MissingExtraError, RunError
from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary, build_vocabulary

if TYPE_CHECKING:
    from textnets.recipe.sections import TextSection

CHUNK = 1024  # texts a call of the graph: large enough to hide its overhead
SUBWORD_TOKENS = 8_000  # of a learned subword vocabulary, where the recipe sets no limit
_PIECE_WORDS = 30_000  # the most frequent words, which wordpieces are learned from
_PIECE_COUNT_RANGE = 4
SENTENCEPIECE_FILE = "tokenizer.model"
WORDS_FILE = "words.txt"
_WORDS_RULE = b"Format characters neither cut words nor are tokens (UAX 29).\n"

# U+FDD0 is a Unicode noncharacter, reserved for internal use: it marks places in a text, and
# a text that holds one has a blank there.
_MARK = "\ufdd0"
# Likewise a typographic apostrophe inside a word, and the places before and after a character
# that is a token of its own.
_CURLY_MARK, _BEFORE_MARK, _AFTER_MARK = "\ufdd1", "\ufdd2", "\ufdd3"
# Likewise a ZWNJ and a ZWJ that stand inside of a word or of an emoji.
_NONJOINER_MARK, _JOINER_MARK = "\ufdd4", "\ufdd5"
_NO_TOKEN = "the training split holds no token: every text is empty or blank"
WORD = r"\p{L}\p{M}\p{N}_"
_WHITE_SPACE = r"[\p{Z}\x{85}]+"  # beyond ASCII's, which tf.strings.split knows
BLANK = r"[\p{Z}\p{Cc}\x{FDD0}-\x{FDD5}]+"
# Signs that are not seen: soft hyphen, ZWNJ, ZWJ, the marks of directions, the word joiner, U+FEFF
# and others of General_Category Format that have no glyph, ZWSP, and variation selectors.
INVISIBLE = (
    r"\x{AD}\x{61C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}"
    r"\x{2066}-\x{206F}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{E0001}"
    r"\x{E0020}-\x{E007F}\x{E0100}-\x{E01EF}"
)
_NO_JOINERS = INVISIBLE.replace(r"\x{200B}-\x{200F}", r"\x{200B}\x{200E}\x{200F}")
# In these scripts ZWSP stands between words, where others have a blank.
WITH_ZWSP = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
SKIN_TONE = r"\x{1F3FB}-\x{1F3FF}"
_PICTURE = rf"\p{{So}}{SKIN_TONE}"
_BEFORE_CLOSING = re.compile(r" ([.,!?:;%)\]}…]+)(?=$| )")
_BEHIND_OPENING = re.compile(r"(?:(?<= )|^)([(\[{¿¡]) ")
PIECE_BLANK = "▁"  # sentencepiece's mark of a blank

#: Stands in a token on the side where it touched its neighbor in the text, so that the text can be
#: put together again: ``(see Est-ce)`` is ``(￭ see Est ￭-￭ ce ￭)``. The joiner annotation of
#: OpenNMT's tokenizer (Klein et al. 2017), with its character, U+FFED; a text that holds that
#: character has U+25A0 there, of which it is the narrow form.
JOINER = "￭"
JOINER_IN_TEXT = "■"


class Tokenizer(ABC):
    """Cuts normalized texts into tokens.

    Some can be made ``with_joins``: their tokens then say with :data:`JOINER` where they touched.
    """

    @abstractmethod
    def split(self, texts: Any) -> Any:
        """``<string>[batch]`` to a ragged ``<string>[batch, (tokens)]``."""

    def split_known(self, texts: Any) -> Any:
        """The same as if the vocabulary had every token, where it decides what a token is."""
        return self.split(texts)

    def with_vocabulary(self, vocabulary: Vocabulary) -> Tokenizer:
        """The same for another vocabulary, where that decides what a token is."""
        return self

    @staticmethod
    def join(tokens: Sequence[str]) -> str:
        """Tokens back to a text. Exact, but for the kind of blanks, for characters, sentencepiece
        and white space; elsewhere blanks are put where they mostly stand, see
        :func:`join_marked`."""
        return " ".join(tokens)

    def files(self) -> dict[str, bytes]:
        """What a run must keep besides the vocabulary: content by file name."""
        return {}

    def resources(self) -> list[Any]:
        """TensorFlow objects that an exported module must hold besides the graph."""
        return []


class WhitespaceTokenizer(Tokenizer):
    """Splits on Unicode white space."""

    def split(self, texts: Any) -> Any:
        import tensorflow as tf

        # tensorflow_text's own tokenizer cuts U+00A0 and other wide blanks in half.
        return tf.strings.split(tf.strings.regex_replace(texts, _WHITE_SPACE, " "))


class WordTokenizer(Tokenizer):
    """Runs of letters, marks, digits and underscores; every other visible character is a
    token of its own. An apostrophe between letters stays inside its word (``don't``).

    Characters that are not seen neither cut a word nor are tokens, as in Unicode's word boundaries
    (UAX 29): ZWNJ and ZWJ stay inside of words and emoji, the others go.

    Written as replacements before a split on blanks: 7 times faster here than one regular
    expression that finds tokens (``regex_split``), with the same tokens.

    Args:
        with_joins: mark where tokens touched, and keep a typographic apostrophe inside a word as
            it is (else ``’`` becomes ``'``), and every invisible character.
        sees_invisible: cut words at invisible characters, which are tokens then: as runs of
            earlier versions did.
    """

    def __init__(self, *, with_joins: bool = False, sees_invisible: bool = False) -> None:
        self._with_joins, self.sees_invisible = with_joins, sees_invisible

    def split(self, texts: Any) -> Any:
        import tensorflow as tf

        replace = tf.strings.regex_replace
        texts = replace(texts, BLANK, " ")
        if not self.sees_invisible:
            texts = replace(texts, rf"([{WITH_ZWSP}])\x{{200B}}+([{WITH_ZWSP}])", r"\1 \2")
            texts = replace(texts, rf"([{WITH_ZWSP}])\x{{200B}}+([{WITH_ZWSP}])", r"\1 \2")
            texts = texts if self._with_joins else _without_invisible(texts)
        apostrophes = {"['’]": _MARK}
        if self._with_joins:
            texts = replace(texts, JOINER, JOINER_IN_TEXT)
            apostrophes = {"'": _MARK, "’": _CURLY_MARK}
        word = f"{WORD}{_MARK}{_CURLY_MARK}"
        for apostrophe, mark in apostrophes.items():
            for _ in range(2):  # matches do not overlap: rock'n'roll needs a second pass
                texts = replace(texts, f"([{WORD}]){apostrophe}([{WORD}])", rf"\1{mark}\2")
        sign = f"[^{word} ]"
        if not self.sees_invisible:
            word = f"{word}{_NONJOINER_MARK}{_JOINER_MARK}{INVISIBLE if self._with_joins else ''}"
            after = rf"[\p{{M}}{INVISIBLE}{SKIN_TONE}]" if self._with_joins else f"[{SKIN_TONE}]"
            sign = f"[^{word} ](?:{after}|{_JOINER_MARK}[^{word} ])*"
        texts = _mark_joins(texts, sign) if self._with_joins else replace(texts, sign, r" \0 ")
        for mark, real in _REAL.items():
            texts = replace(texts, mark, real)
        return tf.strings.split(texts)

    def files(self) -> dict[str, bytes]:
        return {} if self.sees_invisible else {WORDS_FILE: _WORDS_RULE}

    @staticmethod
    def join(tokens: Sequence[str]) -> str:
        """Blanks between tokens, but for those before closing and after opening punctuation."""
        text = _BEFORE_CLOSING.sub(r"\1", " ".join(tokens))
        return _BEHIND_OPENING.sub(r"\1", text)


_REAL = {_MARK: "'", _CURLY_MARK: "’", _NONJOINER_MARK: "\u200c", _JOINER_MARK: "\u200d"}


def _without_invisible(texts: Any) -> Any:
    """Marks for each ZWNJ and ZWJ that stands between letters, or between pictures, and nothing for
    any other character that is not seen."""
    import tensorflow as tf

    replace = tf.strings.regex_replace
    texts = replace(texts, f"[{_NO_JOINERS}]", "")
    letter = f"[{WORD}]"
    for sign, mark in ((r"\x{200C}", _NONJOINER_MARK), (r"\x{200D}", _JOINER_MARK)):
        for _ in range(2):  # matches do not overlap
            texts = replace(texts, f"({letter}){sign}+({letter})", rf"\1{mark}\2")
    for _ in range(2):
        texts = replace(texts, rf"([{_PICTURE}])\x{{200D}}(\p{{So}})", rf"\1{_JOINER_MARK}\2")
    return replace(texts, r"[\x{200C}\x{200D}]", "")


def _mark_joins(texts: Any, sign: str) -> Any:
    """Put blanks around each character that is no word's, and a joiner where there was none.

    The joiner is the character's, so that words stay the same tokens wherever they stand; between
    two such characters it is the second's.
    """
    import tensorflow as tf

    replace = tf.strings.regex_replace
    texts = replace(texts, sign, rf"{_BEFORE_MARK}\0{_AFTER_MARK}")
    texts = replace(texts, f"{_AFTER_MARK}{_BEFORE_MARK}", _BEFORE_MARK)
    texts = replace(texts, f"(^| ){_BEFORE_MARK}", r"\1")
    texts = replace(texts, f"{_AFTER_MARK}( |$)", r"\1")
    texts = replace(texts, _BEFORE_MARK, f" {JOINER}")
    return replace(texts, _AFTER_MARK, f"{JOINER} ")


class CharacterTokenizer(Tokenizer):
    """One token a Unicode code point; nothing is lost, blanks and line breaks included."""

    def split(self, texts: Any) -> Any:
        import tensorflow as tf

        return tf.strings.unicode_split(texts, "UTF-8")

    @staticmethod
    def join(tokens: Sequence[str]) -> str:
        return "".join(tokens)


class RegexTokenizer(Tokenizer):
    """Every match of a pattern is a token; what lies between is dropped.

    Args:
        pattern: RE2.
        with_joins: mark where one match followed another at once.
    """

    def __init__(self, pattern: str, *, with_joins: bool = False) -> None:
        self._pattern, self._with_joins = pattern, with_joins
        self._check()

    def split(self, texts: Any) -> Any:
        import tensorflow as tf

        # Matches are set between marks, then cut out.
        texts = tf.strings.regex_replace(texts, _MARK, " ")
        if self._with_joins:
            texts = tf.strings.regex_replace(texts, JOINER, JOINER_IN_TEXT)
        marked = tf.strings.regex_replace(texts, f"({self._pattern})", rf"{_MARK}+\1{_MARK}-")
        if self._with_joins:
            marked = self._joined(marked)
        pieces = tf.strings.split(tf.strings.join(["-", marked]), _MARK)
        # A match may be empty (of \b or ^), and an empty token is none.
        is_token = tf.strings.regex_full_match(pieces.flat_values, r"(?s)\+.+")
        kept = tf.ragged.boolean_mask(pieces, pieces.with_flat_values(is_token))
        return kept.with_flat_values(tf.strings.substr(kept.flat_values, 1, -1))

    @staticmethod
    def _joined(marked: Any) -> Any:
        """Matches with nothing between them get a joiner: the one that is no word has it, the
        second where they are alike."""
        import tensorflow as tf

        gap, closed = rf"{_MARK}-{_MARK}\+", f"{_MARK}={_MARK}+"
        no_word = f"[^{WORD}{_MARK}]"
        replace = tf.strings.regex_replace
        marked = replace(marked, f"{gap}({no_word})", rf"{closed}{JOINER}\1")
        marked = replace(marked, f"({no_word}){gap}([{WORD}])", rf"\1{JOINER}{closed}\2")
        marked = replace(marked, f"{gap}([{WORD}])", rf"{closed}{JOINER}\1")
        return replace(marked, rf"{_MARK}\+{JOINER}{_MARK}", f"{_MARK}+{_MARK}")  # an empty match

    def _check(self) -> None:
        import tensorflow as tf

        try:
            empty = tf.strings.regex_full_match("", self._pattern)
            tf.strings.regex_full_match("", f"({self._pattern})")
        except tf.errors.InvalidArgumentError as error:
            reason = str(error).split(", error: ")[-1].split(" [Op")[0]
            message = f"text.pattern is no RE2 pattern: {reason}, was: {self._pattern!r}"
            raise InputError(message) from None
        if bool(empty):
            raise InputError(
                f"text.pattern matches the empty text, so it cuts no tokens, was: {self._pattern!r}"
            )


class WordpieceTokenizer(Tokenizer):
    """Words cut into the longest known pieces from the left (Schuster & Nakajima 2012, as in
    BERT); a piece inside a word starts with ``##``."""

    def __init__(self, vocabulary: Vocabulary, *, sees_invisible: bool = False) -> None:
        import tensorflow_text

        self.words_tokenizer = WordTokenizer(
            with_joins=has_joins(vocabulary), sees_invisible=sees_invisible
        )
        self._pieces = tensorflow_text.FastWordpieceTokenizer(
            vocab=[*vocabulary.ordinary_tokens, "[UNK]"],
            token_out_type=_string_type(),
            unknown_token="[UNK]",
            no_pretokenization=True,
        )

    def with_vocabulary(self, vocabulary: Vocabulary) -> WordpieceTokenizer:
        return WordpieceTokenizer(vocabulary, sees_invisible=self.words_tokenizer.sees_invisible)

    def split(self, texts: Any) -> Any:
        return self._pieces.tokenize(self.words_tokenizer.split(texts)).merge_dims(-2, -1)

    def split_known(self, texts: Any) -> Any:
        return self.words_tokenizer.split(texts)

    def files(self) -> dict[str, bytes]:
        return self.words_tokenizer.files()

    @staticmethod
    def words(tokens: Sequence[str]) -> list[str]:
        """Pieces put together to words."""
        return " ".join(tokens).replace(" ##", "").split()

    @staticmethod
    def join(tokens: Sequence[str]) -> str:
        return WordTokenizer.join(WordpieceTokenizer.words(tokens))


class SentencepieceTokenizer(Tokenizer):
    """Pieces of raw text, blanks included as ``▁`` (Kudo & Richardson 2018). A run of blanks,
    line breaks and control characters is one blank."""

    def __init__(self, model: bytes) -> None:
        import tensorflow_text

        self._model = model
        self._pieces = tensorflow_text.SentencepieceTokenizer(model, out_type=_string_type())
        self._pieces._model_resource = _kept_model(model)

    def split(self, texts: Any) -> Any:
        return self._pieces.tokenize(_blanks_to_one(texts))

    @staticmethod
    def join(tokens: Sequence[str]) -> str:
        return "".join(tokens).replace(PIECE_BLANK, " ").strip()

    def files(self) -> dict[str, bytes]:
        return {SENTENCEPIECE_FILE: self._model}

    def resources(self) -> list[Any]:
        return [self._pieces]


def _kept_model(model: bytes) -> Any:
    """Sentencepiece's model as a resource that lives as long as the process.

    tensorflow-text's own belongs to a kernel, and TensorFlow drops its kernels when it is seeded
    (``keras.utils.set_random_seed``, by textnets or by anybody): the tokenizer's next call would
    then raise ``NotFoundError``. One that has a name stays; the same model is kept once.
    """
    from tensorflow_text.python.ops import sentencepiece_tokenizer as sentencepiece

    name = f"textnets_sentencepiece_{hashlib.sha256(model).hexdigest()}"

    class KeptModel(sentencepiece._SentencepieceModelResource):  # type: ignore[misc]
        def _create_resource(self) -> Any:
            make = sentencepiece.gen_sentencepiece_tokenizer.sentencepiece_op
            return make(model=self._model, shared_name=name)

    return KeptModel(model, "SentencepieceTokenizer")


def has_joins(vocabulary: Vocabulary) -> bool:
    """Whether a vocabulary's tokens say where they touched."""
    return JOINER in vocabulary


def join_tokens(tokenizer: str, tokens: Sequence[str], *, with_joins: bool = False) -> str:
    """Tokens back to a text: :meth:`Tokenizer.join` by the tokenizer's name, without its files.

    Args:
        tokenizer: its name.
        tokens: of one text.
        with_joins: whether they say where they touched, see :func:`has_joins`.
    """
    kinds: dict[str, type[Tokenizer]] = {
        **_PLAIN,
        "regex": RegexTokenizer,
        "wordpiece": WordpieceTokenizer,
        "sentencepiece": SentencepieceTokenizer,
    }
    if not with_joins:
        return kinds[tokenizer].join(tokens)
    if tokenizer == "wordpiece":
        tokens = WordpieceTokenizer.words(tokens)
    return join_marked(tokens)


def join_marked(tokens: Sequence[str]) -> str:
    """Tokens that say where they touched back to their text; every other two have a blank between.

    >>> join_marked(["Est", "￭-￭", "ce", "(￭", "vrai", "￭)", "￭?"])
    'Est-ce (vrai)?'
    """
    joined = "\0".join(tokens).replace(f"{JOINER}\0", "").replace(f"\0{JOINER}", "")
    return joined.replace("\0", " ").replace(JOINER, "")


def normalizer(section: TextSection) -> Callable[[Any], Any]:
    """The graph function ``<string>[batch] -> <string>[batch]`` that comes before a split."""
    import tensorflow as tf
    import tensorflow_text

    def normalize(texts: Any) -> Any:
        # Bytes that are no UTF-8 become U+FFFD, so that no later operation fails on them.
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = tf.strings.regex_replace(texts, r"\x00", " ")  # where tf.strings.lower would stop
        if section.normalize != "none":
            texts = tensorflow_text.normalize_utf8(texts, section.normalize.upper())
        return tf.strings.lower(texts, encoding="utf-8") if section.lowercase else texts

    return normalize


# --- Learning from the training split, and loading again ---


def learn_tokenizer(
    section: TextSection, read_texts: Callable[[], Iterable[str]], *, with_joins: bool = False
) -> tuple[Tokenizer, Vocabulary]:
    """Make the tokenizer that a recipe names and learn its vocabulary.

    Args:
        section: the recipe's ``text:``.
        read_texts: gives the training split's texts; called once.
        with_joins: whether a text must be able to come back from its tokens. The vocabulary then
            holds :data:`JOINER`, first, which tells a loaded one from others.
    """
    with_joins = with_joins and section.tokenizer in _WITH_JOINS
    if section.tokenizer == "sentencepiece":
        return _learn_sentencepiece(section, read_texts())
    if section.tokenizer == "wordpiece":
        words = WordTokenizer(with_joins=with_joins)
        counts = count_tokens(section, words, read_texts())
        vocabulary = _learn_wordpieces(counts, section, with_joins)
        return WordpieceTokenizer(vocabulary), vocabulary
    tokenizer = unlearned_tokenizer(section, with_joins)
    counts = count_tokens(section, tokenizer, read_texts())
    if not counts:
        raise DataError(_NO_TOKEN)
    vocabulary = build_vocabulary(
        counts,
        max_tokens=section.max_tokens,
        min_count=section.min_count,
        first=[JOINER] if with_joins else [],
    )
    if set(vocabulary.ordinary_tokens) <= {JOINER}:
        raise DataError(
            f"no token of the training split is seen {section.min_count} times or more; "
            "lower text.min_count"
            if max(counts.values()) < section.min_count
            else f"text.max_tokens leaves no room for a token, was: {section.max_tokens}"
        )
    return tokenizer, vocabulary


def load_tokenizer(
    section: TextSection, vocabulary: Vocabulary, folder: Path, prefix: str = ""
) -> Tokenizer:
    """Make a tokenizer again from what a run directory keeps, under names with that prefix.

    Raises:
        RunError: its file is missing or damaged.
    """
    if section.tokenizer == "sentencepiece":
        return _load_sentencepiece(folder / f"{prefix}{SENTENCEPIECE_FILE}")
    sees_invisible = not (folder / f"{prefix}{WORDS_FILE}").exists()
    if section.tokenizer == "wordpiece":
        return WordpieceTokenizer(vocabulary, sees_invisible=sees_invisible)
    return unlearned_tokenizer(section, has_joins(vocabulary), sees_invisible=sees_invisible)


def unlearned_tokenizer(
    section: TextSection, with_joins: bool = False, *, sees_invisible: bool = False
) -> Tokenizer:
    """A tokenizer that takes nothing but the recipe: none of subwords. What it must know besides,
    of runs of earlier versions, is in :class:`WordTokenizer`."""
    if section.tokenizer == "regex":
        return RegexTokenizer(str(section.pattern), with_joins=with_joins)
    if section.tokenizer == "words":
        return WordTokenizer(with_joins=with_joins, sees_invisible=sees_invisible)
    return _PLAIN[section.tokenizer]()


def _load_sentencepiece(path: Path) -> Tokenizer:
    import tensorflow as tf

    try:
        return SentencepieceTokenizer(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    except tf.errors.OpError as error:
        raise RunError(f"{path}: no sentencepiece model: {error.message}") from None


_PLAIN: dict[str, type[Tokenizer]] = {
    "whitespace": WhitespaceTokenizer,
    "words": WordTokenizer,
    "characters": CharacterTokenizer,
}
# The others lose nothing but the kind of blanks, or not even that.
_WITH_JOINS = frozenset({"words", "regex", "wordpiece"})


def count_tokens(section: TextSection, tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each token of the tokenizer stands in the texts."""
    import tensorflow as tf

    normalize = normalizer(section)

    def count(batch: Any) -> Any:
        tokens, _, counts = tf.unique_with_counts(tokenizer.split(normalize(batch)).flat_values)
        return tokens, counts

    # A partial: TensorFlow warns where one function is traced again and again, as this is.
    count_batch = tf.function(
        partial(count), autograph=False, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    totals: Counter[bytes] = Counter()
    for chunk in chunks(texts):
        tokens, counts = count_batch(encode_strings(chunk))
        for token, times in zip(tokens.numpy(), counts.numpy().tolist(), strict=True):
            totals[token] += times
    return Counter({token.decode(errors="replace"): times for token, times in totals.items()})


def chunks(texts: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    """Lists of at most ``size`` texts."""
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def encode_strings(texts: Sequence[str]) -> Any:
    """``<string>[batch]``; lone surrogates stay bytes that the graph replaces by U+FFFD."""
    import tensorflow as tf

    return tf.constant(
        [text.encode("utf-8", "surrogatepass") for text in texts],
        dtype=tf.string,
        shape=[len(texts)],
    )


def _blanks_to_one(texts: Any) -> Any:
    import tensorflow as tf

    return tf.strings.regex_replace(texts, BLANK, " ")


def _string_type() -> Any:
    import tensorflow as tf

    return tf.string


def _learn_wordpieces(counts: Counter[str], section: TextSection, with_joins: bool) -> Vocabulary:
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    if not counts:
        raise DataError(_NO_TOKEN)
    size = (section.max_tokens or SUBWORD_TOKENS) - len(SPECIAL_TOKENS)
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    # The learner searches the least count of a piece. Every word seen as often is a piece, so
    # it is not below the count of the last word that fits; nor was it ever far above.
    least = max(2, section.min_count, words[min(size, len(words)) - 1][1])
    pieces = learner.learn(
        words,
        vocab_size=size,
        reserved_tokens=[],
        lower_thresh=least,
        upper_thresh=_PIECE_COUNT_RANGE * least,
        max_input_tokens=_PIECE_WORDS,
        max_unique_chars=max(1, min(1_000, size // 2)),  # each stands twice: a and ##a
    )
    # Where the search ends above the size, the rarest pieces go: characters come first.
    first = [JOINER] if with_joins else []
    return Vocabulary(list(dict.fromkeys(filter(None, [*first, *pieces])))[:size])


def _learn_sentencepiece(
    section: TextSection, texts: Iterable[str]
) -> tuple[Tokenizer, Vocabulary]:
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError(
            "training a sentencepiece tokenizer", extra="sentencepiece"
        ) from None
    import io

    model = io.BytesIO()
    normalize = normalizer(section)
    sentencepiece.set_min_log_level(2)
    lines = (
        text.decode("utf-8")
        for chunk in chunks(texts)
        for text in _blanks_to_one(normalize(encode_strings(chunk))).numpy()
        if not text.isspace() and text
    )
    first = next(lines, None)
    if first is None:
        raise DataError(_NO_TOKEN)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=chain([first], lines),
            model_writer=model,
            vocab_size=(section.max_tokens or SUBWORD_TOKENS) - 3,  # its <unk> is our [UNK]
            hard_vocab_limit=False,  # a small corpus gives fewer pieces instead of an error
            normalization_rule_name="identity",  # normalized above, in the graph
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(_sentencepiece_message(str(error), section)) from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(index) for index in range(1, processor.get_piece_size())]
    return SentencepieceTokenizer(model.getvalue()), Vocabulary(pieces)


def _sentencepiece_message(reason: str, section: TextSection) -> str:
    needed = re.search(r"required_chars\. \d+ vs (\d+)", reason)
    if needed is None:
        return f"sentencepiece learned nothing from the training split: {reason}"
    return (
        "sentencepiece needs a token for each character of the training split: set "
        f"text.max_tokens to {int(needed[1]) + 3} or more, was: {section.max_tokens}"
    )
