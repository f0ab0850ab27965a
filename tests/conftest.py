"""Helpers beside this file (`rounds_world`, ...) can be imported by every test."""
