"""Requests and answers about things that people set up, one noun a file, and the rows shown as answers."""
