"""`python -m heliostat` and the `heliostat` command."""

from .api.cli.root import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
