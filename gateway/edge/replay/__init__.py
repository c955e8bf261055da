"""Journals made, read and replayed: the shell around the engine for time that has passed.

`convert` makes raw journals from GPS traces, `player` drives the engine with a journal, `report` counts what came of
it, `show` prints a journal for people. Nothing here speaks MQTT, and a model runs only where a caller hands in its
scorer.
"""
