"""The functional core: what to do next, decided from what was observed. No I/O, no clock, no framework."""
