"""The settings pages: read, offer a form, hand it to `changes`."""
