"""Where fences come from: sources that people edit, and the compiler that turns them into what a release holds."""
