"""What authors' functions use: options, names and retries, the current run, futures and log lines."""
