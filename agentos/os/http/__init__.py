"""HTTP infrastructure: problems, streams, paths and bodies. Nothing here depends on agents."""
