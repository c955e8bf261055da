"""What users and our own tests need: time that stands still until it is told to move."""
