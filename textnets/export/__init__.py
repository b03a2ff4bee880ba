"""A trained run in the forms that people deploy, each compared with the run before it stands."""

from textnets.export.exporting import Exported, export_run

__all__ = ["Exported", "export_run"]
