"""The standard's websockets, one a file, and what they stand on."""
