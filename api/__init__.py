"""How the world asks: the command line and the HTTP interface."""
