"""Events and log lines on their way between the database and the clients that send or follow them."""
