"""Compression passes, one a file, found by name through ``registry``."""
