"""Areas and how a unit moves through them: `geometry` measures, `index` finds, `tracker` remembers."""
