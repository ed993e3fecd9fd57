"""The `heliostat` command, one module a noun."""
