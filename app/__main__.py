"""`python -m app` is the command line: how the supervisor starts a role."""

from app.cli import main

if __name__ == "__main__":
    main()
