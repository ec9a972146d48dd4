"""The pages about mail: one module for each place of the portal."""
