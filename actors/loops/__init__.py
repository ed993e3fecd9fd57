"""The services of a server, as plain classes: each looks at the database, acts, and waits for a change.

Any number of each may run, in any process: several may take a step at the same time.
"""
