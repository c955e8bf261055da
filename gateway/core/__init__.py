"""The decision engine: pure, deterministic, synchronous.

It performs no input or output, reads no clock, draws no randomness and writes no log. Time, ids and
propensities are handed in; everything it wants done it returns as effects.
"""
