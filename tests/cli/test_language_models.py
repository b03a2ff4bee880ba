"""The verbs of language models, on the runs of other tasks."""

from __future__ import annotations

from tests.cli.conftest import Trained, refuse


def test_other_runs_neither_score_nor_write(trained: Trained) -> None:
    for verb, flags in (("score", ("--text", "a")), ("generate", ())):
        err = refuse(verb, trained.run, *flags)
        assert "this run's task is classification; only a language model" in err
