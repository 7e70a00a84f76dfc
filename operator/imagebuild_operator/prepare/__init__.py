"""What runs in the build Pod's init container: fetches the source, merges logins, checks certificates.

It is the only part that reads Secrets, as files that the kubelet mounts. What it leaves for the executor is the
source, one config.json and one file of certificates; the credentials for the source never reach the executor.
"""
