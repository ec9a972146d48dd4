"""Forms of the pages about mail."""
