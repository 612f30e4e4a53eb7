"""Tests of the stored and transmitted forms, most of them against bytes that the reference programs wrote."""
