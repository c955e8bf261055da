"""Acceptance scenarios: what people read aloud, played through the very engine that decides on the device.

A scenario file is read (`reading`), its release compiled and its story played (`playing`), what happened told
(`timeline`) and compared with what was to happen (`verifying`). Nothing here decides anything.
"""
