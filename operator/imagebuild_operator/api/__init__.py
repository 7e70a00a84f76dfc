"""The API: what users write, what they read back, and the names both are made of."""
