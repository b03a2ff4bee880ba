"""The kinds of problem that textnets knows."""

from textnets.tasks.predictor import Predictor
from textnets.tasks.registry import TASKS, AnyTask, read_run, read_task, task_from, task_of
from textnets.tasks.task import Task

__all__ = [
    "TASKS",
    "AnyTask",
    "Predictor",
    "Task",
    "read_run",
    "read_task",
    "task_from",
    "task_of",
]
