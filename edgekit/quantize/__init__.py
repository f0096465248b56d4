"""Observers, float rules, simulated quantisation and the choice of what stays float: shared by all formats."""
