"""What an author's function is: its options, name and retries, the run that it is in, and what it says."""
