"""What nobody may read in passing: the arguments that a definition names as `sensitive`.

`coverage` says which values of a call those are, `encryption` puts ciphertext in the place of one,
`sealing` does it for whole calls, `masking` and `scrubbing` keep plain values out of what people
and programs see, `revealing` shows them to who may, and `rotation` brings in a new key.
"""
