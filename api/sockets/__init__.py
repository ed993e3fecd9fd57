"""The standard's websockets, one a file, with the handshake and the pings that they share."""
