"""From an ImageBuild to the document of its Pod: pure functions."""
