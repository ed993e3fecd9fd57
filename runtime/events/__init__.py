"""What happens, as events: records of them, what a search or a stream asks for, and what fits."""
