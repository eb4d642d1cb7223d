"""Models behind one small protocol, with one package per vendor."""
