"""Personal data in text: where presidio's recognisers could match, what they find there, and what they get wrong.

`scan` and `scan_numbers` look for places in UTF-8 buffers, `recognisers` tries presidio's own patterns there, `phones`
its telephone numbers, `context` its context words, `finder` puts them together; `mended` finds what presidio misses
and takes back what it invents, `chinese` and `secrets` know what it does not.
"""
