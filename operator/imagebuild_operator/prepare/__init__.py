"""What runs in the build Pod's init container: fetches the source, merges logins, checks certificates.

It is the only part of the operator that reads Secrets, from files the kubelet mounts. What it has to say goes into its
termination message (see `result`); nothing it says, logs or hands to another program holds a secret, except the files
made for the executor.
"""
