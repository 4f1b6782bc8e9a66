"""Others' GPU test suites on the virtual gfx1010: fetched, run within limits, explained, reported.

`model` is the data (build/conformance/), `place` fetches and unpacks, `gtest` reads what
GoogleTest prints, `watch` runs one process under limits, `runner` decides what runs,
`results` keeps it, `report` writes docs/conformance.md. Knows nothing of how the
virtual GPU works.
"""
