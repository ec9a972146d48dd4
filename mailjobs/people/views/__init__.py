"""Pages of people's own access."""
