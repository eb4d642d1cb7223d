"""Refuses what no change may bring in. `docs/maintainers.md` says what each rule is for and how it moves.

    python -m scripts.ratchet [CHECKOUT]

Looks at the files that git tracks or would track. Prints one line a finding and exits 1 if there is any.
Standard library only.
"""
