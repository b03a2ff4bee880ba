"""The run directory: one artefact, plain files, written whole.

A run is written into ``NAME.partial`` beside its place and renamed when it is complete.
``environment.json`` comes last and holds the sha256 of every file that a prediction rests
on, so that a damaged run is noticed when it is opened.
"""
