"""What a run is and how one runs. Knows no HTTP server and no control actor."""
