"""The imperative shell: everything that talks to the cluster, the clock and the network."""
