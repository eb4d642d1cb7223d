"""HTTP as this server speaks it: problems, streams, paths, bodies. Nothing here knows an agent."""
