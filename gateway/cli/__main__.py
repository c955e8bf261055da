"""`python -m gateway.cli` is `wayside`."""

from gateway.cli.command import main

if __name__ == "__main__":
    main()
