# Everything here only calls dev.py; a machine without make runs "python3 dev.py COMMAND" instead.
.PHONY: help setup serve test check lock bench
PYTHON ?= python3
ARGS ?=

help:
	@$(PYTHON) dev.py help

setup serve test check lock bench:
	@$(PYTHON) dev.py $@ $(ARGS)
