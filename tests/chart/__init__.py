"""The chart as Helm renders it, the examples, and the Dockerfile."""
