"""The append path: turns batches of the journal's records into rows, each in one transaction."""
