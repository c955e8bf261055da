"""The ledger: all that can alter or repeat a decision, in one SQLite file with one writer."""
