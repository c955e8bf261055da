"""A referee of the engine's promises: it hears what the engine hears, watches what it does, and keeps its own books.

It shares no code with what it judges. It knows the types of events, effects and campaigns, and nothing else of the
core: consent, contact policy, budgets, driving and who is where are reckoned here once more, from the documents.
"""
