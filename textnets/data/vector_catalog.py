"""The free word vectors that textnets knows by name, and where their authors publish them.

Addresses, sizes and hashes are as others have published them; nothing of this catalog was fetched
where textnets is made. The hashes of GloVe are those of torchtext, the others those of
Embeddings.jl. A file with another hash is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from textnets.data.catalog import Source


@dataclass(frozen=True)
class VectorEntry:
    """Word vectors.

    Attributes:
        name: its key in :data:`VECTORS`, which a recipe's ``text.vectors`` names.
        title: what they were learned from.
        words: how many there are, about.
        width: of a vector.
        is_cased: whether words are written with capitals.
        license: what the authors allow.
        citation: the paper to cite.
        source: what to download.
        member: the file in it, where it is a zip archive.
    """

    name: str
    title: str
    words: str
    width: int
    is_cased: bool
    license: str
    citation: str
    source: Source
    member: str | None = None

    @property
    def file_name(self) -> str:
        """What the file of vectors is called here, below ``vectors/``."""
        return self.member or self.source.file_name

    @property
    def summary(self) -> str:
        """What there is, for people."""
        case = "with capitals" if self.is_cased else "lower case"
        return f"{self.title}: {self.words} words, {case}, {self.width} wide"


_PDDL = "Public Domain Dedication and License 1.0"
_GLOVE = "Pennington et al. 2014, GloVe: Global Vectors for Word Representation"
_STANFORD = "https://nlp.stanford.edu/data"
_FASTTEXT = "https://dl.fbaipublicfiles.com/fasttext/vectors-english"


def _glove(
    prefix: str, title: str, words: str, widths: tuple[int, ...], cased: bool, source: Source
) -> list[VectorEntry]:
    stem = source.file_name.removesuffix(".zip").removesuffix(".300d")
    return [
        VectorEntry(
            name=f"{prefix}-{width}d",
            title=title,
            words=words,
            width=width,
            is_cased=cased,
            license=_PDDL,
            citation=_GLOVE,
            source=source,
            member=f"{stem}.{width}d.txt",
        )
        for width in widths
    ]


def _fasttext(name: str, title: str, words: str, source: Source) -> VectorEntry:
    return VectorEntry(
        name=name,
        title=title,
        words=words,
        width=300,
        is_cased=True,
        license="CC BY-SA 3.0",
        citation="Mikolov et al. 2018, Advances in Pre-Training Distributed Word Representations",
        source=source,
        member=source.file_name.removesuffix(".zip"),
    )


_ENTRIES = [
    *_glove(
        "glove-6b",
        "GloVe of Wikipedia 2014 and Gigaword 5",
        "400,000",
        (50, 100, 200, 300),
        False,
        Source(
            f"{_STANFORD}/glove.6B.zip",
            862_182_613,
            "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
        ),
    ),
    *_glove(
        "glove-twitter-27b",
        "GloVe of Twitter",
        "1.2 million",
        (25, 50, 100, 200),
        False,
        Source(
            f"{_STANFORD}/glove.twitter.27B.zip",
            1_520_408_563,
            "792af52f795d1a32c9842a3240f5f3fe5e941a8ff6df5eb0f9d668092ebc019c",
        ),
    ),
    *_glove(
        "glove-42b",
        "GloVe of Common Crawl",
        "1.9 million",
        (300,),
        False,
        Source(
            f"{_STANFORD}/glove.42B.300d.zip",
            1_877_800_501,
            "03d5d7fa28e58762ace4b85fb71fe86a345ef0b5ff39f5390c14869da0fc1970",
        ),
    ),
    *_glove(
        "glove-840b",
        "GloVe of Common Crawl",
        "2.2 million",
        (300,),
        True,
        Source(
            f"{_STANFORD}/glove.840B.300d.zip",
            2_176_768_927,
            "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
        ),
    ),
    _fasttext(
        "fasttext-wiki-news-300d",
        "fastText of Wikipedia 2017, UMBC webbase and statmt.org news",
        "1 million",
        Source(
            f"{_FASTTEXT}/wiki-news-300d-1M.vec.zip",
            681_808_098,
            "bdeb85f44892c505953e3654183e9cb0d792ee51be0992460593e27198d746f8",
        ),
    ),
    _fasttext(
        "fasttext-crawl-300d",
        "fastText of Common Crawl",
        "2 million",
        Source(
            f"{_FASTTEXT}/crawl-300d-2M.vec.zip",
            1_523_785_255,
            "5bfffffbabdab299d4c9165c47275e8f982807a6eaca37ee1f71d3a79ddb544d",
        ),
    ),
    VectorEntry(
        name="word2vec-google-news-300d",
        title="word2vec of Google News",
        words="3 million",
        width=300,
        is_cased=True,
        license="none stated",
        citation="Mikolov et al. 2013, Distributed Representations of Words and Phrases",
        # Its authors' page is at code.google.com/archive/p/word2vec; this copy has their bytes.
        source=Source(
            "https://s3.amazonaws.com/dl4j-distribution/GoogleNews-vectors-negative300.bin.gz",
            1_647_046_227,
            "21c05ae916a67a4da59b1d006903355cced7de7da1e42bff9f0504198c748da8",
        ),
    ),
]

VECTORS: dict[str, VectorEntry] = {entry.name: entry for entry in _ENTRIES}
