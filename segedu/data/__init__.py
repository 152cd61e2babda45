"""Photographs, synthetic scenes with exact labels, and CamVid. Each data set has its own file."""
