"""What README.md and docs/ show is true: their blocks run, one after the other, page by page.

How a page is written:

- ``python``: run in one namespace a page. A ``text`` block right behind is what it prints, or,
  where it begins with the name of an exception, what it raises.
- ``sh``: commands that succeed; a server that ``&`` leaves in the background lives until the page
  ends, on a port of its own, which ``curl`` is told. ``console``: lines that start with ``$ `` are
  commands, the others what they print; where that begins with ``error:`` the command must fail.
- ``yaml``: a whole recipe must be a good one; a part of one is read as if it stood in the page's
  last whole recipe.
- ``<!-- file: NAME -->`` above a block writes it down for the blocks that follow.
  ``<!-- bad file: NAME -->`` does so for a recipe that must be refused.
- ``<!-- not run: REASON -->`` above a block; there are few.

Numbers that are printed are not compared, and ``...`` stands for anything. Recipes that ship are
trained on a few hundred examples for one epoch, whatever the page says.
"""

from __future__ import annotations

import doctest
import io
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.cli.conftest import Ended, textnets
from tests.conftest import ROOT
from tests.sharing import share_fits
from tests.warm import TEXTNETS, WarmProcess
from textnets import pipeline
from textnets.errors import RecipeError
from textnets.recipe.document import Document, parse_document, read_document
from textnets.recipe.shipped import shipped_folder
from textnets.reproduction import seeds
from textnets.tasks import read_task, task_from

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_NOT_RUN = 10
SMALL = ["data.limit=300", "training.epochs=1", "evaluation.resamples=20"]

_NOTE = re.compile(r"<!-- (file|bad file|not run)(?:: (.*?))? -->")
_COMMANDS = {"cat", "printf", "head", "ls", "mkdir", "cp", "gzip", "curl"}
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
_SHOWN_ONLY = {"text", "csv", "tsv", "json", "jsonl", "makefile"}
_EXCEPTION = re.compile(r"(?:\w+\.)*(\w+(?:Error|Exception)): ")


# --- Pages ---


@dataclass(frozen=True)
class Block:
    """A fenced block: ``line`` is where its text begins, ``behind`` the ``text`` block after."""

    page: Path
    line: int
    language: str
    text: str
    note: str
    of_note: str
    behind: str = ""

    @property
    def place(self) -> str:
        return f"{named(self.page)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    note: re.Match[str] | None = None
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type == "code_block":
            raise AssertionError(f"{page.name}: fence this block:\n{token.content}")
        if token.type == "html_block" and (note := _NOTE.search(token.content)):
            continue
        if token.type == "fence":
            assert token.map is not None
            shown_behind = (
                token.info == "text" and note is None and found and found[-1].language == "python"
            )
            if shown_behind:
                found[-1] = Block(**{**vars(found[-1]), "behind": token.content})
            else:
                told = (note[1], note[2] or "") if note else ("", "")
                place = (page, token.map[0] + 2)
                found.append(Block(*place, token.info.strip(), token.content, *told))
        note = None
    return found


def test_few_blocks_are_not_run() -> None:
    left_out = [block for page in PAGES for block in blocks_of(page) if block.note == "not run"]
    assert all(block.of_note for block in left_out), "say why"
    assert len(left_out) <= MOST_NOT_RUN, [f"{block.place}: {block.of_note}" for block in left_out]


def named(page: Path) -> str:
    """A page's name for people: both folders have a README.md."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            name, _, anchor = target.partition("#")
            linked = (page.parent / name) if name else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors_of(linked), target


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    bare = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in bare}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [
        page.name for page in PAGES if page.name not in index and "README" not in page.name
    ] == []


def test_the_page_of_keys_is_what_the_classes_say() -> None:
    page = (ROOT / "docs" / "recipe_keys.md").read_text(encoding="utf-8")
    is_current = page == textnets("schema", "--format", "markdown").out
    renewal = ".venv/bin/textnets schema --format markdown > docs/recipe_keys.md"
    assert is_current, f"docs/recipe_keys.md is stale; renew it:\n  {renewal}"


# --- Running them ---


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader who types in what a page shows; nothing of it stays behind."""
    (tmp_path / "recipes").symlink_to(shipped_folder())  # as in a clone
    for module in (pipeline, seeds):
        monkeypatch.setattr(module, "read_task", read_small_task)
    share_fits(monkeypatch)
    modules, paths = set(sys.modules), list(sys.path)
    found = Reader(tmp_path, monkeypatch)
    yield found
    found.end_servers()
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def read_small_task(
    path: Path, overrides: Sequence[str] = (), *, allow_builders: Sequence[str] | None = None
) -> Any:
    """Of a recipe that ships as much as a test has time for; others as they are."""
    ships = path.resolve().parent == shipped_folder().resolve()
    small = SMALL if ships else []
    return read_task(path, [*overrides, *small], allow_builders=allow_builders)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_blocks_run(page: Path, reader: Reader) -> None:
    for block in blocks_of(page):
        reader.read(block)


@dataclass
class Reader:
    """Does what a page shows, in its own folder."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    recipe: Document | None = None
    servers: dict[str, tuple[WarmProcess, str]] = field(default_factory=dict)

    def read(self, block: Block) -> None:
        if block.note == "not run":
            return
        if block.note:
            path = self.folder / block.of_note
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language == "yaml":
            self._check_recipe(block)
        elif block.language == "python" and not block.note:
            self._run_python(block)
        elif block.language == "sh":
            for command in _commands(block.text):
                ended = self._run(command)
                assert ended.code == 0, f"{block.place}: {command}\n{ended.err}"
        elif block.language == "console":
            for command, shown in _commands_and_output(block.text):
                self._compare(block.place, command, shown)
        else:
            known = block.note or block.language in _SHOWN_ONLY
            assert known, f"{block.place}: what is to be done with {block.language!r}?"

    # --- Recipes ---

    def _check_recipe(self, block: Block) -> None:
        if block.note == "bad file":
            with pytest.raises(RecipeError):
                read_task(self.folder / block.of_note)
            return
        if re.search(r"^task:", block.text, flags=re.MULTILINE):
            path = self.folder / (block.of_note or "recipe.yaml")
            path.write_text(block.text, encoding="utf-8")
            read_task(path)
            self.recipe = read_document(path)
            return
        assert self.recipe is not None, f"{block.place}: a part of which recipe?"
        part = parse_document(block.text, block.place)
        assert not part.problems, f"{block.place}: {part.problems}"
        whole = Document(block.place, {**self.recipe.data})
        for section, keys in part.data.items():
            replaced = (section == "model" and "builder" in keys) or not isinstance(keys, dict)
            whole.data[section] = keys if replaced else {**whole.data.get(section, {}), **keys}
        task_from(whole, None)

    # --- Python ---

    def _run_python(self, block: Block) -> None:
        # Empty lines in front, so that a traceback names the page's own.
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
        printed, exception = io.StringIO(), _EXCEPTION.match(block.behind)
        with redirect_stdout(printed):
            if exception is None:
                exec(code, self.namespace)
            else:
                with pytest.raises(Exception) as raised:  # noqa: PT011
                    exec(code, self.namespace)
        if exception is not None:
            found = f"{type(raised.value).__name__}: {raised.value}"
            _check_same(block.place, _EXCEPTION.sub(r"\1: ", block.behind, count=1), found)
        elif block.behind:
            _check_same(block.place, block.behind, printed.getvalue())

    # --- Commands ---

    def _compare(self, place: str, command: str, shown: str) -> None:
        ended = self._run(command)
        fails = shown.startswith("error:")
        assert (ended.code != 0) == fails, f"{place}: {command}\n{ended}"
        if shown:
            _check_same(f"{place}: {command}", shown, ended.err if fails else ended.out)

    def _run(self, command: str) -> Ended:
        """A pipeline. ``textnets`` runs in this process, where TensorFlow has started; but for a
        server, which ``&`` leaves in the background."""
        if command.endswith(" &"):
            self._serve(shlex.split(command.removesuffix(" &")))
            return Ended(0, "", "")
        ended = Ended(0, "", "")
        for words in _pipeline(command):
            target = words[words.index(">") + 1] if ">" in words else None
            words = words[: words.index(">")] if target else words
            ended = self._run_words(words, ended.out)
            if ended.code != 0:
                break
            if target:
                (self.folder / target).write_text(ended.out, encoding="utf-8")
                ended = Ended(0, "", ended.err)
        return ended

    def _run_words(self, words: list[str], stdin: str) -> Ended:
        if words[0] == "export":
            self.monkeypatch.setenv(*words[1].split("=", 1))
            return Ended(0, "", "")
        if words[0] == "textnets":
            return textnets(*words[1:], stdin=stdin.encode())
        if words[0] == "curl":
            for shown, (_, port) in self.servers.items():
                words = [word.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{port}") for word in words]
        assert words[0] in _COMMANDS, f"{words[0]} is not known here: {words}"
        found = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
        return Ended(found.returncode, found.stdout, found.stderr)

    # --- Servers ---

    def _serve(self, words: list[str]) -> None:
        """``textnets serve ...`` as a process, on a free port in the place of the one that the page
        shows."""
        assert words[:2] == ["textnets", "serve"], words
        shown = words[words.index("--port") + 1] if "--port" in words else "8000"
        log = self.folder / f"serve-{shown}.log"
        with log.open("wb") as file:
            process = WarmProcess(TEXTNETS, [*words[1:], "--port", "0"], stderr=file.fileno())
        self.servers[shown] = (process, "")
        while not (found := re.search(r"at http://127\.0\.0\.1:(\d+);", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        self.servers[shown] = (process, found[1])

    def end_servers(self) -> None:
        for process, _ in self.servers.values():
            process.kill()
            process.wait()


def _commands(text: str) -> list[str]:
    """One a line; a backslash joins two, what follows ``#`` is a comment."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if shlex.split(line, comments=True)]


def _commands_and_output(text: str) -> list[tuple[str, str]]:
    command, *parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    assert not command.strip(), "a console block begins with a command"
    return list(zip(parts[::2], parts[1::2], strict=True))


def _pipeline(command: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word == "|":
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _check_same(place: str, shown: str, found: str) -> None:
    """Numbers aside, what was printed is what the page shows."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    without_numbers = (_NUMBER.sub("0", text.rstrip("\n") + "\n") for text in (shown, found))
    same = doctest.OutputChecker().check_output(*without_numbers, options)
    assert same, f"{place}\n--- shown:\n{shown}\n--- found:\n{found}"
