"""`python -m kilter` is `kilter`."""

from kilter.cli import main

if __name__ == "__main__":
    main(prog_name="kilter")
