"""The RPC surface of the analytics on a caller's own series, and the process that runs what takes long."""
