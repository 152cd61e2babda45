"""Exercises from solutions, marks from submissions. See `docs/instructors.md` for how they are used.

`cells` says what the cells of a solution mean, `release` makes the exercise of it. Grading a submission: `intake` finds
it, `graft` puts its answers into the solution's notebook, `policy` reads them, `kernel` runs them inside the `sandbox`,
`remote` lets the checks, which stay in the trusted process, call them through `wire`, and `plugin` does all this for
nbval. `results` are what is known of a submission, `report` shows them. `own` runs the visible checks alone,
on the answers of whoever asks, without a sandbox; `check` shows what they say.
"""
