"""Events and log lines on their way between the database and those who send or follow them."""
