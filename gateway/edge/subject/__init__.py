"""What operators do for one person: hand over all that is held, hand over receipts, erase."""
