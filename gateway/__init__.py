"""Wayside: decides the next best offer or action where the person is, under their consent."""

__version__ = "0.1.0"
