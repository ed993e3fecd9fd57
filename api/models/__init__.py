"""Requests and answers of what is set up rather than run, one noun a file, and rows as answers."""
