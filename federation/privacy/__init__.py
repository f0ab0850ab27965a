"""Differential privacy: plan, mechanism, accounting, noise. A mechanism and its privacy event come from one object."""
