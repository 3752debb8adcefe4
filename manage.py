#!/usr/bin/env python
"""Run a management command of ecsconsole."""

from ecsconsole.cli import main

if __name__ == "__main__":
    main()
