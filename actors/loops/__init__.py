"""What a server does by itself, as plain classes: each looks at the database, acts, and waits for a change.

Any number of each may run, in any process: every step is one that several may take at once.
"""
