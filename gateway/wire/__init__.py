"""The formats at the border: bytes become checked events of the core, and effects of the core become bytes.

Nothing that comes in is trusted. Whatever a sender does, `read` answers with events or raises `InvalidInput`, whose
text never repeats what was sent. Nothing here opens a socket, reads a clock or keeps anything between two messages.
"""
