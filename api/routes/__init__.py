"""Routes, one resource a file; `ROUTERS` lists them all."""
