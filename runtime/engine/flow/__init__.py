"""The pipe of one flow run: begin, call the body, wait for its calls, settle, record."""
