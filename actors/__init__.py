"""The supervision tree on Ray, which keeps runs alive."""
