"""The pages that look inside."""
