"""What happened in runs, in order: numbering, group commit, transports, recordings."""
