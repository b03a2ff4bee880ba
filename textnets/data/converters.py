"""From the files that a data set's authors publish to the layout that recipes read.

A converter is a pure function: downloaded files by name in, decompressed UTF-8 files by name
out. What it returns is compared with the content hashes of the catalog before anything is
kept, so a converter need not defend itself against other data than its own.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# Fully matched, so members with other names (``../``, links, the unlabeled reviews) are passed
# over. Nothing is ever extracted to disk.
_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")


def convert_imdb(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``aclImdb_v1.tar.gz``, one file a review, to ``{train,test}.csv``.

    Rows are sorted by review id, then label, so that labels alternate.
    """
    (archive,) = downloads.values()
    reviews: dict[str, list[tuple[int, str, str, str]]] = {"train": [], "test": []}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = _REVIEW.fullmatch(member.name)
            stream = members.extractfile(member) if name and member.isfile() else None
            if name and stream:
                split, label, review_id, rating = name.groups()
                text = stream.read().decode("utf-8")
                reviews[split].append((int(review_id), label, rating, text))
    header = ("text", "label", "rating")
    return {
        f"{split}.csv": _csv_bytes(
            header, ((text, label, rating) for _, label, rating, text in sorted(rows))
        )
        for split, rows in reviews.items()
    }


def convert_mr(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``rt-polarity.{pos,neg}``, Windows-1252, one sentence a line, to ``mr.csv``."""
    rows = (
        (line.strip(), label)
        for label in ("pos", "neg")
        for line in _lines(downloads[f"rt-polarity.{label}"], "cp1252")
    )
    return {"mr.csv": _csv_bytes(("text", "label"), rows)}


def convert_sst2(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``stsa.binary.*``, lines of ``label sentence``, to ``{train,dev,test}.tsv``."""
    return {
        f"{split}.tsv": "".join(_sst2_lines(downloads[f"stsa.binary.{split}"])).encode()
        for split in ("train", "dev", "test")
    }


def _sst2_lines(path: Path) -> Iterator[str]:
    yield "sentence\tlabel\n"
    for line in _lines(path, "utf-8"):
        label, _, sentence = line.partition(" ")
        yield f"{sentence}\t{label}\n"


def convert_trec(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``TREC.*``, Latin-1 lines of ``COARSE:fine question``, to ``{train,test}.csv``."""
    header = ("text", "label", "fine_label")
    return {
        f"{split}.csv": _csv_bytes(header, _trec_rows(downloads[f"TREC.{split}"]))
        for split in ("train", "test")
    }


def _trec_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    for line in _lines(path, "latin-1"):
        fine_label, _, text = line.partition(" ")
        yield text, fine_label.partition(":")[0], fine_label


def convert_banking77(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``{train,test}.csv`` with their carriage returns removed."""
    return {name: path.read_bytes().replace(b"\r", b"") for name, path in downloads.items()}


def convert_unchanged(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """The files as they are."""
    return {name: path.read_bytes() for name, path in downloads.items()}


def convert_gunzip(downloads: Mapping[str, Path]) -> dict[str, bytes]:
    """``NAME.gz``, unpacked."""
    return {
        name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
        for name, path in downloads.items()
    }


def _lines(path: Path, encoding: str) -> list[str]:
    """Lines that end in LF and nothing else: str.splitlines() would break at U+0085."""
    return path.read_bytes().decode(encoding).removesuffix("\n").split("\n")


def _csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
