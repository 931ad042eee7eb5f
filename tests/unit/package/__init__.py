"""Tests of submit.package."""
