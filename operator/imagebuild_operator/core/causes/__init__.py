"""The rows of the table of causes that come from the executor's own words, by what failed."""
