"""What a proposed state gets: the rules, and the engine that asks them."""
