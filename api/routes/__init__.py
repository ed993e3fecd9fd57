"""Routes, one resource a file; `ROUTERS` in `api/app.py` lists them all."""
