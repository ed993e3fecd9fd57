"""The append path: how what the journal brings becomes rows, in one transaction a batch."""
