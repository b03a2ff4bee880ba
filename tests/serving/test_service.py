"""``textnets serve``: the answers of ``predict``, to many at once; to others one sentence."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import refuse
from tests.conftest import read_questions
from tests.serving.conftest import PROJECTS, Server, run_of, said_of, serving, texts_of
from textnets import Predictor
from textnets.export import numpy_format
from textnets.export.subject import Subject

pytestmark = pytest.mark.heavy
Servers = Callable[[str], Server]


def nearly(found: Any, wanted: Any) -> bool:
    """Whether they are the same but for the last digit of numbers."""
    if isinstance(wanted, dict):
        same_keys = isinstance(found, dict) and list(found) == list(wanted)
        return same_keys and all(nearly(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(nearly, found, wanted))
    if isinstance(wanted, float):
        return abs(found - wanted) <= 2e-5
    return bool(found == wanted)


@pytest.mark.parametrize("task", PROJECTS)
def test_it_answers_as_predict_does(servers: Servers, task: str) -> None:
    server = servers(task)
    texts, wanted = texts_of(task), said_of(task)
    assert nearly(server.predict(texts=texts), wanted)
    assert nearly(server.predict(text=texts[0]), wanted[:1])
    assert server.predict(texts=[]) == []
    odd = ["", "<b>%s</b> \u2028 \x7f é 中文"]
    assert [one["text"] for one in server.predict(texts=odd)] == odd
    about = server.ask("/model").json
    assert about["task"] == task
    assert server.ask("/health").json["status"] == "ok"


@pytest.mark.parametrize("task", PROJECTS)
def test_an_exported_file_is_served_alike(servers: Servers, task: str, tmp_path: Path) -> None:
    """Without TensorFlow, by the same requests."""
    form = tmp_path / "form"
    form.mkdir()
    numpy_format.write(Subject(Predictor.load(run_of(task), device="cpu")), form)
    wishes = {
        "translation": {"n_best": 2, "attention": True},
        "language_modeling": {"length": 5, "seed": 3, "alternatives": 2},
    }
    asked = {"text": texts_of(task)[0], **wishes.get(task, {})}
    with serving(form / "model.textnets", tmp_path) as server:
        assert nearly(server.predict(texts=texts_of(task)), said_of(task))
        assert nearly(server.predict(**asked), servers(task).predict(**asked))
        told, known = (one.ask("/model").json for one in (server, servers(task)))
        assert told["form"] == "numpy"
        assert {*known} - {*told} == set()
        if task == "language_modeling":
            streams = [
                one.ask("/predict", {**asked, "stream": True}) for one in (server, servers(task))
            ]
            lines = [[json.loads(line) for line in one.text.splitlines()] for one in streams]
            assert nearly(*lines)


def test_only_the_likeliest_labels(servers: Servers) -> None:
    server = servers("classification")
    (every,) = server.predict(text="where is my card")
    (two,) = server.predict(text="where is my card", top=2)
    likely = sorted(every["probabilities"].items(), key=lambda item: -item[1])[:2]
    assert list(two["probabilities"].items()) == likely


def test_translations_and_their_attention(servers: Servers) -> None:
    server = servers("translation")
    (found,) = server.predict(text="I am tired.", n_best=3, attention=True)
    assert len(found["others"]) == 2
    assert len(found["attention"]) == len(found["tokens"])
    assert all(len(row) == len(found["source_tokens"]) for row in found["attention"])
    (plain,) = server.predict(text="I am tired.")
    assert plain["translation"] == found["translation"]
    status, error = server.refusal({"text": "a", "n_best": 9})
    assert (status, error.startswith("n_best: a beam of ")) == (422, True)


def test_a_continuation_comes_token_by_token(servers: Servers) -> None:
    server = servers("language_modeling")
    wishes = {"length": 12, "temperature": 0.8, "top_k": 20, "seed": 3, "alternatives": 5}
    answered = server.ask("/predict", {"text": "First", "stream": True, **wishes})
    assert answered.headers["content-type"] == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answered.text.splitlines()]
    assert last == {"done": True}
    (whole,) = server.predict(text="First", **wishes)
    assert [line["token"] for line in lines] == whole["tokens"]
    assert nearly([line["probability"] for line in lines], whole["probabilities"])
    assert lines[-1]["continued"] == whole["continued"]
    for line, likely in zip(lines, whole["alternatives"], strict=True):
        assert nearly([pair[1] for pair in line["alternatives"]], list(likely.values()))


def test_many_clients_lose_nothing(finished: Path, tmp_path: Path) -> None:
    """64 clients, 5,000 requests; each gets its own answer."""
    texts = [f"{text} {number}" for number, (text, _) in enumerate(read_questions("test") * 40)]
    texts = texts[:5000]
    wanted = [one.as_json() for one in Predictor.load(finished).predict(texts)]
    found: list[Any] = [None] * len(texts)
    with serving(finished, tmp_path) as server:

        def client(first: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
            for index in range(first, len(texts), 64):
                body = json.dumps({"text": texts[index]})
                connection.request("POST", "/predict", body)
                found[index] = json.loads(connection.getresponse().read())
            connection.close()

        threads = [threading.Thread(target=client, args=(first,)) for first in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = server.ask("/metrics").text
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) == 0
    assert all(nearly(one["predictions"][0], two) for one, two in zip(found, wanted, strict=True))
    assert 'textnets_requests_total{path="/predict",status="200"} 5000\n' in counts
    assert "textnets_texts_total 5000\n" in counts
    batches = re.search(r"textnets_batch_texts_count (\d+)", counts)
    assert batches is not None
    assert int(batches[1]) < 2500, "requests that wait are answered together"


# --- What is refused ---

BAD = [
    (b"", 422, "the request is no JSON: Expecting value"),
    (b"text=a", 422, "the request is no JSON: Expecting value"),
    (b"\xff\xfe\x00", 422, "the request is no JSON: "),
    (b"[" * 1900, 422, "the request is no JSON: RecursionError"),
    ([], 422, "Input should be a valid dictionary"),
    ({}, 422, 'give "text" or "texts", one of them'),
    ({"text": "a", "texts": ["b"]}, 422, 'give "text" or "texts"'),
    ({"txt": "a"}, 422, "unknown key 'txt'; known: text, texts, top"),
    ({"k" * 500: "a"}, 422, f"unknown key '{'k' * 60}…'"),
    ({"text": 3}, 422, "'text': Input should be a valid string"),
    ({"texts": ["a", None]}, 422, "'texts[1]': Input should be a valid string"),
    ({"text": "a", "top": 0}, 422, "'top': Input should be greater than or equal to 1"),
    ({"text": "a", "n_best": 2}, 422, "'n_best' is for other tasks than classification"),
    ({"text": "a", "stream": True}, 422, "'stream' is for other tasks than classification"),
    (b'{"text": "\\ud83d"}', 422, "'text' holds half of a surrogate pair"),
    ({"texts": ["a"] * 4}, 503, "too many texts wait for the model; come again in a second"),
    ({"texts": ["a"] * 5}, 413, "5 texts in one request, 4 at most"),
    ({"texts": ["a", "b" * 101]}, 413, "'texts[1]' has 101 characters, 100 at most"),
    ({"text": "a" * 3000}, 413, "the request has more than 2,000 bytes"),
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with narrow limits."""
    words = ("--max-texts", "4", "--max-characters", "100", "--max-body", "2000")
    folder = tmp_path_factory.mktemp("strict")
    words = (*words, "--max-seconds", "1", "--max-waiting", "3")
    with serving(run_of("classification"), folder, *words) as server:
        yield server


def test_what_cannot_be_answered_is_refused_in_a_sentence(strict: Server) -> None:
    for body, status, sentence in BAD:
        found = strict.refusal(body)
        assert found[0] == status, (body, found)
        assert found[1].startswith(sentence), found
        assert "\n" not in found[1]
    assert strict.predict(text="still here")
    assert strict.ask("/nowhere").json == {"error": "there is nothing at /nowhere"}
    assert strict.ask("/predict").status == 405
    assert strict.ask("/health", {}).status == 405


def test_a_body_that_hides_its_size_is_refused_too(strict: Server) -> None:
    with socket.create_connection(("127.0.0.1", strict.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"fa0\r\n" + b"a" * 4000 + b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_slow_client_blocks_nobody(strict: Server) -> None:
    half = b'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{"te'
    slow = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(20)]
    for client in slow:
        client.sendall(half)
    started = time.monotonic()
    assert strict.predict(text="a")
    assert time.monotonic() - started < 0.9
    for client in slow:
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
        client.close()


def test_a_stream_that_nobody_reads_blocks_nobody(servers: Servers) -> None:
    server = servers("language_modeling")
    body = json.dumps({"text": "a", "stream": True, "length": 400, "alternatives": 50}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        client.sendall(body)
        assert client.recv(10)
        assert server.predict(text="b", length=2)
    assert server.refusal({"text": "a", "length": 501}) == (413, "'length' is 501, 500 at most")
    assert server.refusal({"texts": ["a"], "stream": True})[0] == 422


# --- Start and end ---


def test_a_port_that_is_taken_is_one_error(servers: Servers) -> None:
    server = servers("classification")
    err = refuse("serve", server.run, "--port", str(server.port))
    assert f"port {server.port} of 127.0.0.1 is in use; choose another with --port" in err
    assert "there is no such address" in refuse("serve", server.run, "--host", "no.such.invalid")
    assert "cannot listen at" in refuse("serve", server.run, "--host", "192.0.2.1")
    assert "no such run directory" in refuse("serve", "nothing", "--port", "0")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textnets.serving.server.find_spec", lambda name: None)
    assert "pip install 'textnets[serve]'" in refuse("serve", "run")


def test_it_stops_when_all_is_answered(tmp_path: Path) -> None:
    with serving(run_of("language_modeling"), tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        request = {"text": "First", "stream": True, "length": 150}
        connection.request("POST", "/predict", json.dumps(request))
        response = connection.getresponse()
        first = response.readline()
        server.process.send_signal(signal.SIGTERM)
        lines = [first, *response]
        response.close()
        connection.close()
        assert json.loads(lines[-1]) == {"done": True}
        assert len(lines) == 151
        assert server.process.wait(timeout=30) == 0
        assert server.log.read_text().endswith("stopped: all requests are answered\n")


# --- Pages ---


@pytest.mark.parametrize("path", ["/", "/docs", "/page.js", "/page.css", "/docs.js", "/icon.svg"])
def test_the_pages_need_no_other_server(servers: Servers, path: str) -> None:
    answered = servers("classification").ask(path)
    assert answered.status == 200
    assert "default-src 'none'; script-src 'self'" in answered.headers["content-security-policy"]
    addresses = re.findall(r"https?://[^\s\"']+", answered.text)
    assert addresses in ([], ["http://www.w3.org/2000/svg"])
    assert not re.search(r"<script(?! src)|\son\w+=|style=|innerHTML", answered.text)


def test_openapi_describes_what_can_be_asked(servers: Servers) -> None:
    api = servers("classification").ask("/openapi.json").json
    assert {"/predict", "/health", "/model", "/metrics"} == set(api["paths"])
    body = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert {"text", "texts", "top", "stream"} <= set(body["schema"]["properties"])
